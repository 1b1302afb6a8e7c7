# Where the app's traces go: Application Insights over a Log Analytics workspace. Neither accepts a key.

resource "azurerm_log_analytics_workspace" "main" {
  name                         = "log-printiq-${local.token}"
  location                     = azurerm_resource_group.main.location
  resource_group_name          = azurerm_resource_group.main.name
  tags                         = local.tags
  sku                          = "PerGB2018"
  retention_in_days            = local.profile.logRetentionDays
  daily_quota_gb               = local.profile.logDailyCapGB
  local_authentication_enabled = false
}

resource "azurerm_application_insights" "main" {
  name                         = "appi-printiq-${local.token}"
  location                     = azurerm_resource_group.main.location
  resource_group_name          = azurerm_resource_group.main.name
  tags                         = local.tags
  application_type             = "web"
  workspace_id                 = azurerm_log_analytics_workspace.main.id
  local_authentication_enabled = false
}
