// The account that printIQ drops files into. It is apart, because a shared-access signature needs shared keys,
// and nothing else should accept them. Its Event Grid topic notifies the app of each new file.
import { Profile, Tags } from '../types.bicep'

param name string
param systemTopicName string
param location string
param tags Tags
param profile Profile
param workspaceId string

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  // checkov:skip=CKV_AZURE_35: printIQ, Event Grid and Flex Consumption come over the public endpoint with an identity or a signature; docs/operate.md says how to close it
  // checkov:skip=CKV_AZURE_59: printIQ, Event Grid and Flex Consumption come over the public endpoint with an identity or a signature; docs/operate.md says how to close it
  // checkov:skip=CKV_AZURE_206: production has three zones; a copy in another region lags behind what was confirmed (docs/scale.md)
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: profile.storageSku }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: true
    defaultToOAuthAuthentication: true
    isHnsEnabled: profile.sftp.enabled
    isLocalUserEnabled: profile.sftp.enabled
    isSftpEnabled: profile.sftp.enabled
    sasPolicy: { sasExpirationPeriod: '365.00:00:00', expirationAction: 'Log' }
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: 'Enabled'
    supportsHttpsTrafficOnly: true
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: 'Allow'
    }
  }

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      deleteRetentionPolicy: { enabled: true, days: profile.softDeleteDays }
      containerDeleteRetentionPolicy: { enabled: true, days: profile.softDeleteDays }
    }

    resource hotFolder 'containers' = { name: 'hot-folder' }
  }
}

resource sftpUser 'Microsoft.Storage/storageAccounts/localUsers@2025-06-01' = if (profile.sftp.enabled) {
  name: profile.sftp.userName
  parent: account
  properties: {
    homeDirectory: 'hot-folder'
    hasSshPassword: false
    hasSshKey: true
    sshAuthorizedKeys: [{ description: 'printIQ', key: profile.sftp.sshPublicKey }]
    permissionScopes: [{ service: 'blob', resourceName: 'hot-folder', permissions: 'wcl' }]
  }
}

// Who read, wrote or deleted a drop, and with which signature.
// The version that Microsoft's documents name; the newest without a preview is from 2016.
#disable-next-line use-recent-api-versions
resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: account::blobs
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'StorageRead', enabled: true }
      { category: 'StorageWrite', enabled: true }
      { category: 'StorageDelete', enabled: true }
    ]
  }
}

resource systemTopic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: systemTopicName
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    source: account.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (profile.deleteLocks) {
  name: 'keep-${name}'
  scope: account
  properties: {
    level: 'CanNotDelete'
    notes: 'printIQ writes here; a file leaves only when it is in custody.'
  }
}

output blobEndpoint string = account.properties.primaryEndpoints.blob
