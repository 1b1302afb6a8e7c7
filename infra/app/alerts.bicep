// The alerts that a person gets. Each row of alerts.json is a rule over the app's own traces and requests, each row of
// metric-alerts.json one over the metrics of Event Grid or Service Bus.
import { EventHours, Tags } from '../types.bicep'

param applicationInsightsId string
param systemTopicName string
param serviceBusName string
param hasServiceBus bool
param location string
param tags Tags
param actionGroupName string

@description('How old the oldest message may be before its consumer counts as down.')
param resultQueueMaxAgeSeconds int

@description('Event name to hours: how long an event may be silent.')
param silentAfterHours EventHours

var rules = loadJsonContent('../alerts.json')
var silence = string(silentAfterHours)
var resultAge = string(resultQueueMaxAgeSeconds)

resource people 'Microsoft.Insights/actionGroups@2023-01-01' existing = {
  name: actionGroupName
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for rule in rules: {
    name: 'alert-printiq-${rule.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'printIQ events: ${rule.title}'
      description: rule.description
      severity: rule.severity
      enabled: true
      scopes: [applicationInsightsId]
      evaluationFrequency: rule.every
      windowSize: rule.window
      autoMitigate: rule.resolves
      // A new workspace has no traces yet, and the check of the query would fail the first deployment.
      skipQueryValidation: true
      criteria: {
        allOf: [
          {
            query: replace(
              replace(join(rule.query, '\n'), '{silentAfterHours}', silence),
              '{resultQueueMaxAgeSeconds}',
              resultAge
            )
            timeAggregation: 'Count'
            // One alert for each value: the message names it, and a second queue is not hidden by a first.
            dimensions: contains(rule, 'each') ? [{ name: rule.?each, operator: 'Include', values: ['*'] }] : []
            operator: 'GreaterThan'
            threshold: 0
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: [people.id] }
    }
  }
]

resource systemTopic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: systemTopicName
}

resource serviceBus 'Microsoft.ServiceBus/namespaces@2024-01-01' existing = {
  name: serviceBusName
}

var topics = 'Microsoft.EventGrid/systemTopics'
// The longest period in which a metric can be looked at that is no longer than that age.
var unreadWindow = resultQueueMaxAgeSeconds < 21600
  ? 'PT1H'
  : resultQueueMaxAgeSeconds < 43200 ? 'PT6H' : resultQueueMaxAgeSeconds < 86400 ? 'PT12H' : 'P1D'

resource metricAlerts 'Microsoft.Insights/metricAlerts@2026-01-01' = [
  for rule in filter(loadJsonContent('../metric-alerts.json'), rule => rule.of == topics || hasServiceBus): {
    name: 'alert-printiq-${rule.name}'
    location: 'global'
    tags: tags
    properties: {
      description: rule.description
      severity: rule.severity
      enabled: true
      scopes: [rule.of == topics ? systemTopic.id : serviceBus.id]
      evaluationFrequency: rule.every
      windowSize: rule.?window ?? unreadWindow
      autoMitigate: true
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            criterionType: 'StaticThresholdCriterion'
            name: rule.name
            metricNamespace: rule.of
            metricName: rule.metric
            timeAggregation: rule.aggregation
            dimensions: contains(rule, 'each') ? [{ name: rule.?each, operator: 'Include', values: ['*'] }] : []
            // A new namespace has no values yet.
            skipMetricValidation: true
            operator: 'GreaterThan'
            threshold: rule.threshold
          }
        ]
      }
      actions: [{ actionGroupId: people.id }]
    }
  }
]
