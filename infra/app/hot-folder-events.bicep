// The notification of new files: from the hot folder's topic to the app's Blob trigger. It is deployed after the code, since
// the key in its address is created when the code first runs. scripts/postdeploy.py deploys it; repeating that is harmless.
param functionAppName string
param systemTopicName string
param storageAccountName string

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageAccountName
}

resource functionApp 'Microsoft.Web/sites@2025-03-01' existing = {
  name: functionAppName
}

resource systemTopic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: systemTopicName
}

// The name after Host.Functions. must be the function's own: a wrong one is answered 202, and the file is forgotten.
var endpoint = 'https://${functionApp.properties.defaultHostName}/runtime/webhooks/blobs?functionName=Host.Functions.hot_folder'
var key = listKeys('${functionApp.id}/host/default', '2025-03-01').systemKeys.blobs_extension

resource newFiles 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  name: 'hot-folder'
  parent: systemTopic
  properties: {
    destination: {
      endpointType: 'WebHook'
      properties: { endpointUrl: '${endpoint}&code=${key}' }
    }
    eventDeliverySchema: 'EventGridSchema'
    filter: {
      includedEventTypes: ['Microsoft.Storage.BlobCreated']
      subjectBeginsWith: '/blobServices/default/containers/hot-folder/blobs/'
      advancedFilters: [
        {
          operatorType: 'StringIn'
          key: 'data.api'
          values: ['PutBlob', 'PutBlockList', 'CopyBlob', 'FlushWithClose', 'SftpCommit']
        }
      ]
    }
    retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 }
    deadLetterWithResourceIdentity: {
      identity: { type: 'SystemAssigned' }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: { resourceId: storage.id, blobContainerName: 'event-grid-dead-letter' }
      }
    }
  }
}
