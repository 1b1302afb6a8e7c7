// What a person must hear of. Each row of alerts.json is a rule over the app's own traces and requests, each row of
// metric-alerts.json one over Event Grid's metrics.
import { EventHours, Tags } from '../types.bicep'

param applicationInsightsId string
param systemTopicName string
param location string
param tags Tags
param actionGroupName string

@description('How old the oldest message of a result queue may be before its consumer counts as down.')
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

resource metricAlerts 'Microsoft.Insights/metricAlerts@2026-01-01' = [
  for rule in loadJsonContent('../metric-alerts.json'): {
    name: 'alert-printiq-${rule.name}'
    location: 'global'
    tags: tags
    properties: {
      description: rule.description
      severity: rule.severity
      enabled: true
      scopes: [systemTopic.id]
      evaluationFrequency: rule.every
      windowSize: rule.window
      autoMitigate: true
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            criterionType: 'StaticThresholdCriterion'
            name: rule.name
            metricNamespace: 'Microsoft.EventGrid/systemTopics'
            metricName: rule.metric
            timeAggregation: 'Total'
            operator: 'GreaterThan'
            threshold: rule.threshold
          }
        ]
      }
      actions: [{ actionGroupId: people.id }]
    }
  }
]
