// azd reads this file, with the values of `azd env set` in the environment.
using 'main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME')
param location = readEnvironmentVariable('AZURE_LOCATION')
param tier = readEnvironmentVariable('PRINTIQ_TIER', 'uat')
param site = readEnvironmentVariable('PRINTIQ_SITE')
param alertEmail = readEnvironmentVariable('ALERT_EMAIL')
