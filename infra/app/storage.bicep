// The account that holds everything but the drops: inbox, results, archive, quarantine, tables, the deployed package.
// It accepts identities only.
import { Profile, Tags } from '../types.bicep'

param name string
param location string
param tags Tags
param profile Profile
param workspaceId string

// What overwrites and deletions leave behind goes when a deleted blob would.
var versionsRule = {
  name: 'versions'
  enabled: true
  type: 'Lifecycle'
  definition: {
    filters: { blobTypes: ['blockBlob'] }
    actions: { version: { delete: { daysAfterCreationGreaterThan: profile.softDeleteDays } } }
  }
}

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
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
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
      isVersioningEnabled: profile.blobVersioning
    }

    resource archive 'containers' = { name: 'archive' }
    resource quarantine 'containers' = { name: 'quarantine' }
    // What is remembered of each FTP source from one poll to the next.
    resource ftp 'containers' = { name: 'ftp' }
    // What Flex Consumption runs: each deployment replaces the package.
    resource package 'containers' = { name: 'app-package' }
    // Notifications that Event Grid could not deliver; the sweep of the hot folder needs none of them.
    resource deadLetter 'containers' = { name: 'event-grid-dead-letter' }
  }

  resource queues 'queueServices' = {
    name: 'default'

    resource inbox 'queues' = { name: 'printiq-inbox' }
    resource inboxPoison 'queues' = { name: 'printiq-inbox-poison' }
    // What is to be pushed to an address.
    resource push 'queues' = { name: 'printiq-push' }
    resource pushPoison 'queues' = { name: 'printiq-push-poison' }
  }

  resource tables 'tableServices' = {
    name: 'default'

    resource deliveries 'tables' = { name: 'deliveries' }
    resource timeline 'tables' = { name: 'timeline' }
    resource records 'tables' = { name: 'records' }
    resource search 'tables' = { name: 'search' }
    resource erasures 'tables' = { name: 'erasures' }
    resource duplicates 'tables' = { name: 'duplicates' }
    resource lastSeen 'tables' = { name: 'lastseen' }
    resource drift 'tables' = { name: 'drift' }
    resource sends 'tables' = { name: 'sends' }
    resource subscriptions 'tables' = { name: 'subscriptions' }
  }

  // Quarantine is not named here: its blobs, and those of failed deliveries, are the app's to remove.
  resource lifecycle 'managementPolicies' = {
    name: 'default'
    properties: {
      policy: {
        rules: concat(
          [
            {
              name: 'archive'
              enabled: true
              type: 'Lifecycle'
              definition: {
                filters: { blobTypes: ['blockBlob'], prefixMatch: ['archive/'] }
                actions: {
                  baseBlob: {
                    tierToCool: profile.coolAfterDays > 0
                      ? { daysAfterModificationGreaterThan: profile.coolAfterDays }
                      : null
                    delete: { daysAfterModificationGreaterThan: profile.retentionDays }
                  }
                }
              }
            }
            {
              name: 'event-grid-dead-letter'
              enabled: true
              type: 'Lifecycle'
              definition: {
                filters: { blobTypes: ['blockBlob'], prefixMatch: ['event-grid-dead-letter/'] }
                actions: {
                  baseBlob: {
                    delete: { daysAfterModificationGreaterThan: 30 }
                  }
                }
              }
            }
          ],
          profile.blobVersioning ? [versionsRule] : []
        )
      }
    }
  }
}

// One queue per subscription of subscriptions.toml.
resource results 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = [
  for queue in profile.resultQueues: {
    name: queue
    parent: account::queues
  }
]

// Who deleted a blob.
// The version that Microsoft's documents name; the newest without a preview is from 2016.
#disable-next-line use-recent-api-versions
resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: account::blobs
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'StorageDelete', enabled: true }]
  }
}

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (profile.deleteLocks) {
  name: 'keep-${name}'
  scope: account
  properties: {
    level: 'CanNotDelete'
    notes: 'Holds every event that was confirmed to printIQ.'
  }
}
