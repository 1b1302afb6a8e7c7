// Where alerts go: to a mailbox, and optionally to a channel of Teams or Slack, or to any webhook.
//
// Azure Monitor posts its own schema, which neither Teams nor Slack shows. So a workflow writes the message
// (alert-message.json) and posts it to the address in the vault's secret alert-webhook.
import { AlertWebhook, Tags } from '../types.bicep'

param name string
param workflowName string
param location string
param tags Tags
param email string
param webhook AlertWebhook
param keyVaultName string
param site string
param tier string
param consoleUrl string

var hasWebhook = webhook != ''
var keyVaultSecretsUser = '4633458b-17de-408a-b874-0445c86b69e6'

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' existing = {
  name: keyVaultName

  resource address 'secrets' existing = { name: 'alert-webhook' }
}

resource workflow 'Microsoft.Logic/workflows@2019-05-01' = if (hasWebhook) {
  name: workflowName
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    state: 'Enabled'
    definition: loadJsonContent('../alert-message.json')
    parameters: {
      format: { value: webhook }
      secret: { value: '${vault.properties.vaultUri}secrets/alert-webhook' }
      site: { value: site }
      tier: { value: tier }
      console: { value: consoleUrl }
    }
  }

  resource trigger 'triggers' existing = { name: 'alert' }
}

// The workflow reads this secret, and no other.
resource secret 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (hasWebhook) {
  name: guid(vault::address.id, workflow.id, keyVaultSecretsUser)
  scope: vault::address
  properties: {
    principalId: workflow!.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultSecretsUser)
  }
}

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: name
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'printiq'
    enabled: true
    emailReceivers: [{ name: 'alert-email', emailAddress: email, useCommonAlertSchema: true }]
    logicAppReceivers: hasWebhook
      ? [
          {
            name: 'alert-webhook'
            resourceId: workflow.id
            callbackUrl: workflow::trigger!.listCallbackUrl().value
            useCommonAlertSchema: true
          }
        ]
      : []
  }
}
