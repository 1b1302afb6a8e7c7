# Where alerts go: to a mailbox, and optionally to a channel of Teams or Slack, or to any webhook.
#
# Azure Monitor posts its own schema, which neither Teams nor Slack shows. So a workflow writes the message
# (alert-message.json) and posts it to the address in the vault's secret alert-webhook.

locals {
  alert_webhooks = local.profile.alertWebhook == "" ? [] : [local.profile.alertWebhook]
}

resource "azapi_resource" "workflow" {
  count = length(local.alert_webhooks)

  type      = "Microsoft.Logic/workflows@2019-05-01"
  name      = "logic-printiq-alerts-${local.token}"
  location  = azurerm_resource_group.main.location
  parent_id = azurerm_resource_group.main.id
  tags      = local.tags

  identity {
    type = "SystemAssigned"
  }

  body = {
    properties = {
      state      = "Enabled"
      definition = jsondecode(file("${path.module}/../alert-message.json"))
      parameters = {
        format  = { value = local.alert_webhooks[count.index] }
        secret  = { value = "${azurerm_key_vault.main.vault_uri}secrets/alert-webhook" }
        site    = { value = var.site }
        tier    = { value = var.tier }
        console = { value = "${local.url}/api/console" }
      }
    }
  }
}

# The workflow reads this secret, and no other.
resource "azurerm_role_assignment" "alert_webhook" {
  count = length(local.alert_webhooks)

  scope                = "${azurerm_key_vault.main.id}/secrets/alert-webhook"
  role_definition_name = "Key Vault Secrets User"
  principal_id         = azapi_resource.workflow[count.index].identity[0].principal_id
  principal_type       = "ServicePrincipal"
}

# The trigger's address, with its signature.
data "azapi_resource_action" "alert_webhook" {
  count = length(local.alert_webhooks)

  type                             = "Microsoft.Logic/workflows/triggers@2019-05-01"
  resource_id                      = "${azapi_resource.workflow[count.index].id}/triggers/alert"
  action                           = "listCallbackUrl"
  method                           = "POST"
  sensitive_response_export_values = ["value"]
}

resource "azurerm_monitor_action_group" "people" {
  name                = "ag-printiq"
  resource_group_name = azurerm_resource_group.main.name
  tags                = local.tags
  short_name          = "printiq"

  email_receiver {
    name                    = "alert-email"
    email_address           = var.alert_email
    use_common_alert_schema = true
  }

  dynamic "logic_app_receiver" {
    for_each = local.alert_webhooks

    content {
      name                    = "alert-webhook"
      resource_id             = azapi_resource.workflow[0].id
      callback_url            = data.azapi_resource_action.alert_webhook[0].sensitive_output.value
      use_common_alert_schema = true
    }
  }
}
