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
var settings = [
  { name: 'AzureWebJobsStorage__blobServiceUri', value: storage.properties.primaryEndpoints.blob }
  { name: 'AzureWebJobsStorage__queueServiceUri', value: storage.properties.primaryEndpoints.queue }
  { name: 'AzureWebJobsStorage__tableServiceUri', value: storage.properties.primaryEndpoints.table }
  { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
  { name: 'AzureWebJobsStorage__clientId', value: identityClientId }
  { name: 'HOT_FOLDER__blobServiceUri', value: hotFolder.properties.primaryEndpoints.blob }
  { name: 'HOT_FOLDER__queueServiceUri', value: hotFolder.properties.primaryEndpoints.queue }
  { name: 'HOT_FOLDER__credential', value: 'managedidentity' }
  { name: 'HOT_FOLDER__clientId', value: identityClientId }
  { name: 'HOT_FOLDER_SOURCE', value: 'EventGrid' }
  { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: applicationInsights.properties.ConnectionString }
  { name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING', value: 'ClientId=${identityClientId};Authorization=AAD' }
  { name: 'PRINTIQ_SITE', value: site }
  { name: 'DATE_ORDER', value: profile.dateOrder }
  { name: 'DUPLICATE_WINDOW_SECONDS', value: string(profile.duplicateWindowSeconds) }
  { name: 'MAX_BODY_BYTES', value: string(profile.maxBodyBytes) }
  { name: 'QUARANTINE_STATUS', value: profile.quarantineStatus }
  { name: 'RETENTION_DAYS', value: string(profile.retentionDays) }
]
var subscriptionsSetting = { name: 'SUBSCRIPTIONS', value: profile.subscriptions }
var ftpSetting = { name: 'FTP_SOURCES', value: '@Microsoft.KeyVault(VaultName=${keyVaultName};SecretName=ftp-sources)' }
var appSettings = concat(settings, empty(profile.subscriptions) ? [] : [subscriptionsSetting], profile.ftpSources ? [ftpSetting] : [])

// Event Grid reaches the app through its public address, so its tag is let in beside printIQ's own addresses.
var addressRules = [
  for (address, index) in profile.allowedAddresses: {
    name: 'allowed-${index}'
    action: 'Allow'
    priority: 100 + index
    ipAddress: contains(address, '/') ? address : '${address}/32'
  }
]
var eventGridRule = {
  name: 'event-grid'
  action: 'Allow'
  priority: 90
  tag: 'ServiceTag'
  ipAddress: 'AzureEventGrid'
}

resource plan 'Microsoft.Web/serverfarms@2025-05-01' = {
  // checkov:skip=CKV_AZURE_225: a switch in environments/*.json; it keeps two paid instances for every function (docs/deploy.md)
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

resource functionApp 'Microsoft.Web/sites@2025-05-01' = {
  // checkov:skip=CKV_AZURE_17: printIQ sends no client certificate; its webhook carries a function key
  // checkov:skip=CKV_AZURE_212: Flex Consumption counts in alwaysReady, two in production
  // checkov:skip=CKV_AZURE_213: Flex Consumption has no health check of the platform; the alert no-heartbeat takes its place
  // checkov:skip=CKV_AZURE_222: printIQ and Event Grid come over the public address; allowedAddresses narrows it
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
      appSettings: appSettings
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
