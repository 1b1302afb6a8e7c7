// The function app on Flex Consumption, and its settings.
param name string
param planName string
param location string
param tags object

@description('One of environments/*.json.')
param profile object

param site string
param identityId string
param identityClientId string
param storageAccountName string
param hotFolderAccountName string
param applicationInsightsName string
param keyVaultName string

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageAccountName
}

resource hotFolder 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: hotFolderAccountName
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

// Settings with a double underscore make up one identity-based connection. There must be no AzureWebJobsStorage beside
// them, not even an empty one: the host would take it for a connection string and not start. Flex Consumption knows
// the runtime from functionAppConfig, and refuses FUNCTIONS_WORKER_RUNTIME.
var settings = {
  AzureWebJobsStorage__blobServiceUri: storage.properties.primaryEndpoints.blob
  AzureWebJobsStorage__queueServiceUri: storage.properties.primaryEndpoints.queue
  AzureWebJobsStorage__tableServiceUri: storage.properties.primaryEndpoints.table
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  HOT_FOLDER__blobServiceUri: hotFolder.properties.primaryEndpoints.blob
  HOT_FOLDER__queueServiceUri: hotFolder.properties.primaryEndpoints.queue
  HOT_FOLDER__credential: 'managedidentity'
  HOT_FOLDER__clientId: identityClientId
  HOT_FOLDER_SOURCE: 'EventGrid'
  APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsights.properties.ConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
  PRINTIQ_SITE: site
  DATE_ORDER: profile.dateOrder
  DUPLICATE_WINDOW_SECONDS: string(profile.duplicateWindowSeconds)
  MAX_BODY_BYTES: string(profile.maxBodyBytes)
  QUARANTINE_STATUS: string(profile.quarantineStatus)
  RETENTION_DAYS: string(profile.retentionDays)
}
var subscriptionSettings = empty(profile.subscriptions) ? {} : { SUBSCRIPTIONS: profile.subscriptions }
var ftpSources = { FTP_SOURCES: '@Microsoft.KeyVault(VaultName=${keyVaultName};SecretName=ftp-sources)' }
var ftpSettings = profile.ftpSources ? ftpSources : {}

// Event Grid reaches the app through its public address, so its tag is let in beside printIQ's own addresses.
var addressRules = [
  for (address, index) in profile.allowedAddresses: {
    name: 'allowed-${index}'
    action: 'Allow'
    priority: 100 + index
    ipAddress: address
  }
]
var eventGridRule = {
  name: 'event-grid'
  action: 'Allow'
  priority: 90
  tag: 'ServiceTag'
  ipAddress: 'AzureEventGrid'
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: {
    reserved: true
    zoneRedundant: profile.zoneRedundant
  }
}

resource functionApp 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    keyVaultReferenceIdentity: identityId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}app-package'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: {
        instanceMemoryMB: profile.instanceMemoryMB
        maximumInstanceCount: profile.maximumInstanceCount
        alwaysReady: profile.alwaysReadyHttp == 0 ? [] : [{ name: 'http', instanceCount: profile.alwaysReadyHttp }]
        triggers: { http: { perInstanceConcurrency: profile.httpConcurrency } }
      }
      siteUpdateStrategy: { type: profile.siteUpdateStrategy }
    }
    siteConfig: {
      appSettings: map(items(union(settings, subscriptionSettings, ftpSettings)), setting => {
        name: setting.key
        value: setting.value
      })
      ftpsState: 'Disabled'
      http20Enabled: true
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ipSecurityRestrictions: empty(profile.allowedAddresses) ? [] : concat([eventGridRule], addressRules)
      ipSecurityRestrictionsDefaultAction: empty(profile.allowedAddresses) ? 'Allow' : 'Deny'
      scmIpSecurityRestrictionsUseMain: false
    }
  }

  // Deployment works with identities; nobody logs in with a password.
  resource ftpCredentials 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }

  resource scmCredentials 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
  }
}

output name string = functionApp.name
output url string = 'https://${functionApp.properties.defaultHostName}'
