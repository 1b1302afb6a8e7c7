// Queues and topics for consumers that need one subject's events in order: its session is the subject. Only made where
// the profile names one.
import { ServiceBus, Tags } from '../types.bicep'

param name string
param location string
param tags Tags
param serviceBus ServiceBus

// What every entity that is sent to has. A message that is sent again after a crash has its id again, so the broker
// drops it; a day covers an outage over night. What it holds needs no lock: the app can replay it.
var entity = {
  requiresDuplicateDetection: true
  duplicateDetectionHistoryTimeWindow: 'P1D'
  maxSizeInMegabytes: 5120
}
// What every entity that is read has. After ten failures a message no longer holds up its session.
var readEntity = {
  requiresSession: true
  maxDeliveryCount: 10
  deadLetteringOnMessageExpiration: true
}
var topicNames = objectKeys(serviceBus.topics)
var subscriptions = flatten(map(
  items(serviceBus.topics),
  topic =>
    map(topic.value, each => {
      topic: indexOf(topicNames, topic.key)
      name: each
    })
))

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' = {
  name: name
  location: location
  tags: tags
  sku: serviceBus.tier == 'premium'
    ? { name: 'Premium', tier: 'Premium', capacity: 1 }
    : { name: 'Standard', tier: 'Standard' }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    publicNetworkAccess: 'Enabled'
  }
}

resource queues 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = [
  for queue in serviceBus.queues: {
    parent: namespace
    name: queue
    properties: union(entity, readEntity)
  }
]

resource topics 'Microsoft.ServiceBus/namespaces/topics@2024-01-01' = [
  for topic in topicNames: {
    parent: namespace
    name: topic
    properties: union(entity, { supportOrdering: true })
  }
]

resource readers 'Microsoft.ServiceBus/namespaces/topics/subscriptions@2024-01-01' = [
  for each in subscriptions: {
    parent: topics[each.topic]
    name: each.name
    properties: readEntity
  }
]
