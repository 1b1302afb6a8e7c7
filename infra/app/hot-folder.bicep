// The account that printIQ drops files into. It is apart, because a shared-access signature needs shared keys,
// and nothing else should accept them. Its Event Grid topic tells the app of each new file.
param name string
param systemTopicName string
param location string
param tags object
param sku string
param softDeleteDays int
param workspaceId string
param deleteLock bool

@description('SFTP as a further way in: { enabled, userName, sshPublicKey }. It needs a hierarchical namespace, which an account keeps for ever.')
param sftp object

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  // checkov:skip=CKV_AZURE_35: printIQ, Event Grid and Flex Consumption come over the public endpoint with an identity or a signature; docs/deploy.md says how to close it
  // checkov:skip=CKV_AZURE_59: printIQ, Event Grid and Flex Consumption come over the public endpoint with an identity or a signature; docs/deploy.md says how to close it
  // checkov:skip=CKV_AZURE_206: environments/prod.json names ZRS, which this check cannot follow
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: true
    defaultToOAuthAuthentication: true
    isHnsEnabled: sftp.enabled
    isLocalUserEnabled: sftp.enabled
    isSftpEnabled: sftp.enabled
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
      deleteRetentionPolicy: { enabled: true, days: softDeleteDays }
      containerDeleteRetentionPolicy: { enabled: true, days: softDeleteDays }
    }

    resource hotFolder 'containers' = { name: 'hot-folder' }
  }
}

resource sftpUser 'Microsoft.Storage/storageAccounts/localUsers@2025-06-01' = if (sftp.enabled) {
  name: sftp.userName
  parent: account
  properties: {
    homeDirectory: 'hot-folder'
    hasSshPassword: false
    hasSshKey: true
    sshAuthorizedKeys: [{ description: 'printIQ', key: sftp.sshPublicKey }]
    permissionScopes: [{ service: 'blob', resourceName: 'hot-folder', permissions: 'wcl' }]
  }
}

// Who read, wrote or deleted a drop, and with which signature.
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

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (deleteLock) {
  name: 'keep-${name}'
  scope: account
  properties: {
    level: 'CanNotDelete'
    notes: 'printIQ writes here; a file leaves only when it is in custody.'
  }
}

output name string = account.name
output blobEndpoint string = account.properties.primaryEndpoints.blob
output systemTopicName string = systemTopic.name
output systemTopicPrincipalId string = systemTopic.identity.principalId
