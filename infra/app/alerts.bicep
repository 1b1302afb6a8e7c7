// What somebody must be told of: each row of alerts.json is one rule over the app's own traces and requests.
param applicationInsightsId string
param location string
param tags object
param email string

@description('How old the oldest message of a result queue may be before its consumer is taken to be down.')
param resultQueueMaxAgeSeconds int

@description('Event name to hours: how long an event may be silent.')
param silentAfterHours object

var rules = loadJsonContent('../alerts.json')
var silence = string(silentAfterHours)
var resultAge = string(resultQueueMaxAgeSeconds)

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-printiq'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'printiq'
    enabled: true
    emailReceivers: [{ name: 'alert-email', emailAddress: email, useCommonAlertSchema: true }]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
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
            query: replace(replace(join(rule.query, '\n'), '{silentAfterHours}', silence), '{resultQueueMaxAgeSeconds}', resultAge)
            timeAggregation: 'Count'
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
