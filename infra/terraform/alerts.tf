# What somebody must be told of: each row of alerts.json is one rule over the app's own traces and requests.

locals {
  alerts = { for alert in jsondecode(file("${path.module}/../alerts.json")) : alert.name => alert }
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
}

resource "azurerm_monitor_scheduled_query_rules_alert_v2" "alerts" {
  for_each = local.alerts

  name                    = "alert-printiq-${each.key}"
  location                = azurerm_resource_group.main.location
  resource_group_name     = azurerm_resource_group.main.name
  tags                    = local.tags
  display_name            = "printIQ events: ${each.value.title}"
  description             = each.value.description
  severity                = each.value.severity
  scopes                  = [azurerm_application_insights.main.id]
  evaluation_frequency    = each.value.every
  window_duration         = each.value.window
  auto_mitigation_enabled = each.value.resolves
  skip_query_validation   = true # a new workspace has no traces yet

  criteria {
    query = replace(
      replace(join("\n", each.value.query), "{silentAfterHours}", jsonencode(local.profile.silentAfterHours)),
      "{resultQueueMaxAgeSeconds}",
      tostring(local.profile.resultQueueMaxAgeSeconds),
    )
    time_aggregation_method = "Count"
    operator                = "GreaterThan"
    threshold               = 0

    failing_periods {
      number_of_evaluation_periods             = 1
      minimum_failing_periods_to_trigger_alert = 1
    }
  }

  action {
    action_groups = [azurerm_monitor_action_group.people.id]
  }
}
