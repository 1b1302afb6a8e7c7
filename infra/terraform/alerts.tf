# The alerts that a person gets. Each row of alerts.json is a rule over the app's own traces and requests, each row of
# metric-alerts.json one over the metrics of Event Grid or Service Bus.

locals {
  topics = "Microsoft.EventGrid/systemTopics"
  metric_alerts = {
    for alert in jsondecode(file("${path.module}/../metric-alerts.json")) : alert.name => alert
    if alert.of == local.topics || local.has_service_bus
  }
  # The longest period in which a metric can be looked at that is no longer than that age.
  unread_window = (
    local.profile.resultQueueMaxAgeSeconds < 21600 ? "PT1H" :
    local.profile.resultQueueMaxAgeSeconds < 43200 ? "PT6H" : local.profile.resultQueueMaxAgeSeconds < 86400 ? "PT12H" : "P1D"
  )
  alerts = { for alert in jsondecode(file("${path.module}/../alerts.json")) : alert.name => alert }
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

    # One alert for each value: the message names it, and a second queue is not hidden by a first.
    dynamic "dimension" {
      for_each = try([each.value.each], [])

      content {
        name     = dimension.value
        operator = "Include"
        values   = ["*"]
      }
    }

    failing_periods {
      number_of_evaluation_periods             = 1
      minimum_failing_periods_to_trigger_alert = 1
    }
  }

  action {
    action_groups = [azurerm_monitor_action_group.people.id]
  }
}

resource "azurerm_monitor_metric_alert" "alerts" {
  for_each = local.metric_alerts

  name                = "alert-printiq-${each.key}"
  resource_group_name = azurerm_resource_group.main.name
  tags                = local.tags
  description         = each.value.description
  severity            = each.value.severity
  scopes              = [each.value.of == local.topics ? azurerm_eventgrid_system_topic.hot_folder.id : azurerm_servicebus_namespace.main[0].id]
  frequency           = each.value.every
  window_size         = try(each.value.window, local.unread_window)

  criteria {
    metric_namespace       = each.value.of
    metric_name            = each.value.metric
    aggregation            = each.value.aggregation
    operator               = "GreaterThan"
    threshold              = each.value.threshold
    skip_metric_validation = true # a new namespace has no values yet

    dynamic "dimension" {
      for_each = try([each.value.each], [])

      content {
        name     = dimension.value
        operator = "Include"
        values   = ["*"]
      }
    }
  }

  action {
    action_group_id = azurerm_monitor_action_group.people.id
  }
}
