# The same names as the outputs of main.bicep.

locals {
  url = "https://${azapi_resource.function_app.output.properties.defaultHostName}"
}

output "AZURE_LOCATION" {
  value = azurerm_resource_group.main.location
}

output "AZURE_RESOURCE_GROUP" {
  value = azurerm_resource_group.main.name
}

output "FUNCTION_APP_NAME" {
  value = azapi_resource.function_app.name
}

output "WEBHOOK_URL" {
  value = "${local.url}/api/webhooks/{event}"
}

output "HEALTH_URL" {
  value = "${local.url}/api/health"
}

output "CONSOLE_URL" {
  value = "${local.url}/api/console"
}

output "HOT_FOLDER_URL" {
  value = "${azurerm_storage_account.hot_folder.primary_blob_endpoint}${azurerm_storage_container.hot_folder.name}/{event}/"
}

output "HOT_FOLDER_ACCOUNT_NAME" {
  value = azurerm_storage_account.hot_folder.name
}

output "STORAGE_ACCOUNT_NAME" {
  value = azurerm_storage_account.main.name
}

output "SYSTEM_TOPIC_NAME" {
  value = azurerm_eventgrid_system_topic.hot_folder.name
}

output "KEY_VAULT_NAME" {
  value = azurerm_key_vault.main.name
}

output "SERVICE_BUS_NAME" {
  value = local.has_service_bus ? azurerm_servicebus_namespace.main[0].name : ""
}
