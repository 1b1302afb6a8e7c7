// Everything that the receiver of printIQ events needs in Azure, in one resource group.
// What differs between UAT and production stands in environments/*.json, which Terraform reads too.
targetScope = 'subscription'

@minLength(1)
@maxLength(20)
@description('Name of this deployment, for example printiq-uat. It becomes part of the resource names.')
param environmentName string

@minLength(1)
@description('Azure region. It must offer Flex Consumption, for production with availability zones.')
@metadata({ azd: { type: 'location' } })
param location string

@allowed(['uat', 'prod'])
@description('Which file of environments/ applies.')
param tier string

@minLength(1)
@description('Names the printIQ site: the source of every result event is /printiq/{site}.')
param site string

@minLength(3)
@description('Who is told when an alert fires.')
param alertEmail string

var profiles = {
  uat: loadJsonContent('environments/uat.json')
  prod: loadJsonContent('environments/prod.json')
}
var profile = profiles[tier]
var token = uniqueString(subscription().id, environmentName, location)
var tags = { 'azd-env-name': environmentName, application: 'printiq-event-receiver', tier: tier }

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'app/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: 'id-printiq-${token}'
    location: location
    tags: tags
  }
}

module monitoring 'app/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    retentionDays: profile.logRetentionDays
    dailyCapGB: profile.logDailyCapGB
  }
}

module storage 'app/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: 'st${token}'
    location: location
    tags: tags
    sku: profile.storageSku
    resultQueues: profile.resultQueues
    coolAfterDays: profile.coolAfterDays
    retentionDays: profile.retentionDays
    softDeleteDays: profile.softDeleteDays
    deleteLock: profile.deleteLocks
    workspaceId: monitoring.outputs.workspaceId
  }
}

module hotFolder 'app/hot-folder.bicep' = {
  name: 'hot-folder'
  scope: group
  params: {
    name: 'sthot${token}'
    systemTopicName: 'evgt-hot-folder-${token}'
    location: location
    tags: tags
    sku: profile.storageSku
    softDeleteDays: profile.softDeleteDays
    deleteLock: profile.deleteLocks
    workspaceId: monitoring.outputs.workspaceId
    sftp: profile.sftp
  }
}

module keyVault 'app/key-vault.bicep' = {
  name: 'key-vault'
  scope: group
  params: {
    name: 'kv-${token}'
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
  }
}

module roles 'app/rbac.bicep' = {
  name: 'rbac'
  scope: group
  params: {
    appPrincipalId: identity.outputs.principalId
    systemTopicPrincipalId: hotFolder.outputs.systemTopicPrincipalId
    storageAccountName: storage.outputs.name
    hotFolderAccountName: hotFolder.outputs.name
    applicationInsightsName: monitoring.outputs.applicationInsightsName
    keyVaultName: keyVault.outputs.name
  }
}

module functionApp 'app/function-app.bicep' = {
  name: 'function-app'
  scope: group
  dependsOn: [roles]
  params: {
    name: 'func-printiq-${token}'
    planName: 'plan-printiq-${token}'
    location: location
    tags: union(tags, { 'azd-service-name': 'receiver' })
    profile: profile
    site: site
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    storageAccountName: storage.outputs.name
    hotFolderAccountName: hotFolder.outputs.name
    applicationInsightsName: monitoring.outputs.applicationInsightsName
    keyVaultName: keyVault.outputs.name
  }
}

module alerts 'app/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    applicationInsightsId: monitoring.outputs.applicationInsightsId
    location: location
    tags: tags
    email: alertEmail
    resultQueueMaxAgeSeconds: profile.resultQueueMaxAgeSeconds
    silentAfterHours: profile.silentAfterHours
  }
}

output AZURE_LOCATION string = location
output AZURE_RESOURCE_GROUP string = group.name
output FUNCTION_APP_NAME string = functionApp.outputs.name
output WEBHOOK_URL string = '${functionApp.outputs.url}/api/webhooks/{event}'
output HEALTH_URL string = '${functionApp.outputs.url}/api/health'
output CONSOLE_URL string = '${functionApp.outputs.url}/api/console'
output HOT_FOLDER_URL string = '${hotFolder.outputs.blobEndpoint}hot-folder/{event}/'
output HOT_FOLDER_ACCOUNT_NAME string = hotFolder.outputs.name
output STORAGE_ACCOUNT_NAME string = storage.outputs.name
output SYSTEM_TOPIC_NAME string = hotFolder.outputs.systemTopicName
output KEY_VAULT_NAME string = keyVault.outputs.name
