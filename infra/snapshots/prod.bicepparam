// What a deployment of this tier makes, for an invented subscription: prod.snapshot.json.
using '../main.bicep'

param environmentName = 'printiq-test'
param location = 'australiaeast'
param tier = 'prod'
param site = 'test'
param alertEmail = 'operator@example.com'
