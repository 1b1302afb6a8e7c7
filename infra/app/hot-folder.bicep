// The account that printIQ drops files into. It is apart, because a shared-access signature needs shared keys,
// and nothing else should accept them. Its Event Grid topic tells the app of each new file.
param name string
param systemTopicName string
param location string
param tags object
param sku string
param softDeleteDays int
param deleteLock bool

@description('SFTP as a further way in: { enabled, userName, sshPublicKey }. It needs a hierarchical namespace, which an account keeps for ever.')
param sftp object

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
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

  resource sftpUser 'localUsers' = if (sftp.enabled) {
    name: sftp.userName
    properties: {
      homeDirectory: 'hot-folder'
      hasSshPassword: false
      hasSshKey: true
      sshAuthorizedKeys: [{ description: 'printIQ', key: sftp.sshPublicKey }]
      permissionScopes: [{ service: 'blob', resourceName: 'hot-folder', permissions: 'wcl' }]
    }
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
