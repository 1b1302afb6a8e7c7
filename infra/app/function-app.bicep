// The function app on Flex Consumption, and its settings.
import { Profile, Tags } from '../types.bicep'

param name string
param planName string
param location string
param tags Tags
param profile Profile
param site string
param identityName string
param storageAccountName string
param hotFolderAccountName string
param applicationInsightsName string
param keyVaultName string
param serviceBusName string
param hasServiceBus bool
param workspaceId string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageAccountName
}

resource hotFolder 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: hotFolderAccountName
}

resource serviceBus 'Microsoft.ServiceBus/namespaces@2024-01-01' existing = if (hasServiceBus) {
  name: serviceBusName
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
  { name: 'AzureWebJobsStorage__clientId', value: identity.properties.clientId }
  { name: 'HOT_FOLDER__blobServiceUri', value: hotFolder.properties.primaryEndpoints.blob }
  { name: 'HOT_FOLDER__queueServiceUri', value: hotFolder.properties.primaryEndpoints.queue }
  { name: 'HOT_FOLDER__credential', value: 'managedidentity' }
  { name: 'HOT_FOLDER__clientId', value: identity.properties.clientId }
  { name: 'HOT_FOLDER_SOURCE', value: 'EventGrid' }
  { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: applicationInsights.properties.ConnectionString }
  {
    name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING'
    value: 'ClientId=${identity.properties.clientId};Authorization=AAD'
  }
  { name: 'PRINTIQ_SITE', value: site }
  { name: 'PRINTIQ_TIER', value: tags.tier }
  { name: 'DATE_ORDER', value: profile.dateOrder }
  { name: 'DUPLICATE_WINDOW_SECONDS', value: string(profile.duplicateWindowSeconds) }
  { name: 'MAX_BODY_BYTES', value: string(profile.maxBodyBytes) }
  { name: 'HTTP_STREAMS', value: toLower(string(profile.httpStreams)) }
  { name: 'SOAP_RESPONSE', value: profile.soapResponse }
  { name: 'QUARANTINE_STATUS', value: profile.quarantineStatus }
  { name: 'RETENTION_DAYS', value: string(profile.retentionDays) }
]
var subscriptionsSetting = { name: 'SUBSCRIPTIONS', value: profile.subscriptions }
// The host's name alone, without https:// before and :443/ behind it.
var serviceBusSettings = [
  {
    name: 'SERVICE_BUS__fullyQualifiedNamespace'
    value: split(split(serviceBus!.properties.serviceBusEndpoint, '/')[2], ':')[0]
  }
  { name: 'SERVICE_BUS__clientId', value: identity.properties.clientId }
]
var secretSettings = map(items(profile.secrets), each => {
  name: each.key
  value: '@Microsoft.KeyVault(VaultName=${keyVaultName};SecretName=${each.value})'
})
var ftpSetting = { name: 'FTP_SOURCES', value: '@Microsoft.KeyVault(VaultName=${keyVaultName};SecretName=ftp-sources)' }
// A timer that has nothing to do would wake an instance every minute.
var noFtpSetting = { name: 'AzureWebJobs.poll_ftp.Disabled', value: 'true' }
var appSettings = concat(
  settings,
  empty(profile.subscriptions) ? [] : [subscriptionsSetting],
  hasServiceBus ? serviceBusSettings : [],
  secretSettings,
  [profile.ftpSources ? ftpSetting : noFtpSetting]
)
var alwaysReady = map(filter(items(profile.alwaysReady), each => each.value > 0), each => {
  name: each.key
  instanceCount: each.value
})

// Event Grid reaches the app through its public address, so its tag is let in beside printIQ's own addresses.
var addressRules = [
  for (address, index) in profile.allowedAddresses: {
    name: 'allowed-${index}'
    action: 'Allow'
    priority: 100 + index
    tag: 'Default'
    ipAddress: contains(address, '/') ? address : '${address}/${contains(address, ':') ? 128 : 32}'
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
  // checkov:skip=CKV_AZURE_225: a switch in environments/*.json; it keeps two paid instances for every function (docs/costs.md)
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
  // checkov:skip=CKV_AZURE_17: printIQ sends no client certificate; its webhook carries a function key
  // checkov:skip=CKV_AZURE_78: Flex Consumption has no FTP, and refuses the setting that would turn it off
  // checkov:skip=CKV_AZURE_212: Flex Consumption counts in alwaysReady, two in production
  // checkov:skip=CKV_AZURE_213: Flex Consumption has no health check of the platform; the alert no-heartbeat takes its place
  // checkov:skip=CKV_AZURE_222: printIQ and Event Grid come over the public address; allowedAddresses narrows it
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    keyVaultReferenceIdentity: identity.id
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}app-package'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: {
        instanceMemoryMB: profile.instanceMemoryMB
        maximumInstanceCount: profile.maximumInstanceCount
        alwaysReady: alwaysReady
        triggers: { http: { perInstanceConcurrency: profile.httpConcurrency } }
      }
      // In preview, and so not among the types of this API version.
      #disable-next-line BCP037
      siteUpdateStrategy: { type: profile.siteUpdateStrategy }
    }
    siteConfig: {
      appSettings: appSettings
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

// The host's own log of its start: Application Insights receives logs only once the host runs.
// The version that Microsoft's documents name; the newest without a preview is from 2016.
#disable-next-line use-recent-api-versions
resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: functionApp
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'FunctionAppLogs', enabled: true }]
  }
}

output url string = 'https://${functionApp.properties.defaultHostName}'
