// Everything that the receiver of printIQ events needs in Azure, in one resource group.
// environments/*.json holds what differs between UAT and production; Terraform reads the same files.
targetScope = 'subscription'

import { Profile } from 'types.bicep'

@minLength(1)
@maxLength(20)
@description('Name of this deployment, for example printiq-uat. It becomes part of the resource names.')
param environmentName string

@minLength(1)
@description('Azure region. It must offer Flex Consumption, for production with availability zones.')
@metadata({ azd: { type: 'location' } })
param location string

@description('Which file of environments/ applies.')
param tier 'uat' | 'prod'

@minLength(1)
@description('Names the printIQ site: the source of every result event is /printiq/{site}.')
param site string

@minLength(3)
@description('Receives the alerts.')
param alertEmail string

@description('The compiler compares each file with the type: a wrong value stops before a deployment.')
func checked(profile Profile) Profile => profile

var profile = tier == 'prod'
  ? checked(loadJsonContent('environments/prod.json'))
  : checked(loadJsonContent('environments/uat.json'))
var hasServiceBus = !empty(profile.serviceBus.queues) || !empty(profile.serviceBus.topics)
var token = uniqueString(subscription().id, environmentName, location)
var tags = { 'azd-env-name': environmentName, application: 'printiq-event-receiver', tier: tier }

// Every name is computed here, so that what-if can say what a deployment changes.
var names = {
  identity: 'id-printiq-${token}'
  workspace: 'log-printiq-${token}'
  applicationInsights: 'appi-printiq-${token}'
  storage: 'st${token}'
  hotFolder: 'sthot${token}'
  systemTopic: 'evgt-hot-folder-${token}'
  keyVault: 'kv-${token}'
  serviceBus: 'sb-printiq-${token}'
  plan: 'plan-printiq-${token}'
  functionApp: 'func-printiq-${token}'
  actionGroup: 'ag-printiq'
  workflow: 'logic-printiq-alerts-${token}'
}

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'app/identity.bicep' = {
  scope: group
  params: {
    name: names.identity
    location: location
    tags: tags
  }
}

module monitoring 'app/monitoring.bicep' = {
  scope: group
  params: {
    workspaceName: names.workspace
    applicationInsightsName: names.applicationInsights
    location: location
    tags: tags
    retentionDays: profile.logRetentionDays
    dailyCapGB: profile.logDailyCapGB
  }
}

module storage 'app/storage.bicep' = {
  scope: group
  params: {
    name: names.storage
    location: location
    tags: tags
    profile: profile
    workspaceId: monitoring.outputs.workspaceId
  }
}

module hotFolder 'app/hot-folder.bicep' = {
  scope: group
  params: {
    name: names.hotFolder
    systemTopicName: names.systemTopic
    location: location
    tags: tags
    profile: profile
    workspaceId: monitoring.outputs.workspaceId
  }
}

module keyVault 'app/key-vault.bicep' = {
  scope: group
  params: {
    name: names.keyVault
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
  }
}

module serviceBus 'app/service-bus.bicep' = if (hasServiceBus) {
  scope: group
  params: {
    name: names.serviceBus
    location: location
    tags: tags
    serviceBus: profile.serviceBus
  }
}

module roles 'app/rbac.bicep' = {
  scope: group
  dependsOn: [identity, monitoring, storage, hotFolder, keyVault, serviceBus]
  params: {
    identityName: names.identity
    systemTopicName: names.systemTopic
    storageAccountName: names.storage
    hotFolderAccountName: names.hotFolder
    applicationInsightsName: names.applicationInsights
    keyVaultName: names.keyVault
    serviceBusName: names.serviceBus
    hasServiceBus: hasServiceBus
  }
}

module functionApp 'app/function-app.bicep' = {
  scope: group
  dependsOn: [roles]
  params: {
    name: names.functionApp
    planName: names.plan
    location: location
    tags: union(tags, { 'azd-service-name': 'receiver' })
    profile: profile
    site: site
    identityName: names.identity
    storageAccountName: names.storage
    hotFolderAccountName: names.hotFolder
    applicationInsightsName: names.applicationInsights
    keyVaultName: names.keyVault
    serviceBusName: names.serviceBus
    hasServiceBus: hasServiceBus
    workspaceId: monitoring.outputs.workspaceId
  }
}

module notifications 'app/notifications.bicep' = {
  scope: group
  dependsOn: [keyVault]
  params: {
    name: names.actionGroup
    workflowName: names.workflow
    location: location
    tags: tags
    email: alertEmail
    webhook: profile.alertWebhook
    keyVaultName: names.keyVault
    site: site
    tier: tier
    consoleUrl: '${functionApp.outputs.url}/api/console'
  }
}

module alerts 'app/alerts.bicep' = {
  scope: group
  dependsOn: [hotFolder, serviceBus, notifications]
  params: {
    applicationInsightsId: monitoring.outputs.applicationInsightsId
    systemTopicName: names.systemTopic
    serviceBusName: names.serviceBus
    hasServiceBus: hasServiceBus
    location: location
    tags: tags
    actionGroupName: names.actionGroup
    resultQueueMaxAgeSeconds: profile.resultQueueMaxAgeSeconds
    silentAfterHours: profile.silentAfterHours
  }
}

output AZURE_LOCATION string = location
output AZURE_RESOURCE_GROUP string = group.name
output FUNCTION_APP_NAME string = names.functionApp
output WEBHOOK_URL string = '${functionApp.outputs.url}/api/webhooks/{event}'
output HEALTH_URL string = '${functionApp.outputs.url}/api/health'
output CONSOLE_URL string = '${functionApp.outputs.url}/api/console'
output HOT_FOLDER_URL string = '${hotFolder.outputs.blobEndpoint}hot-folder/{event}/'
output HOT_FOLDER_ACCOUNT_NAME string = names.hotFolder
output STORAGE_ACCOUNT_NAME string = names.storage
output SYSTEM_TOPIC_NAME string = names.systemTopic
output KEY_VAULT_NAME string = names.keyVault
output SERVICE_BUS_NAME string = hasServiceBus ? names.serviceBus : ''
