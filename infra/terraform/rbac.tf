# The least roles that work, each with its reason. Two identities hold them: the app's, and Event Grid's for dead letters.

# The Functions host keeps its leases and keys in blobs, for which the platform asks for Owner.
resource "azurerm_role_assignment" "storage_blobs" {
  scope                = azurerm_storage_account.main.id
  role_definition_name = "Storage Blob Data Owner"
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "storage_queues" {
  scope                = azurerm_storage_account.main.id
  role_definition_name = "Storage Queue Data Contributor"
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "storage_tables" {
  scope                = azurerm_storage_account.main.id
  role_definition_name = "Storage Table Data Contributor"
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal"
}

# The Blob trigger takes leases (Owner), and keeps its poison queue in the account that it watches.
resource "azurerm_role_assignment" "hot_folder_blobs" {
  scope                = azurerm_storage_account.hot_folder.id
  role_definition_name = "Storage Blob Data Owner"
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "hot_folder_queues" {
  scope                = azurerm_storage_account.hot_folder.id
  role_definition_name = "Storage Queue Data Contributor"
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "traces" {
  scope                = azurerm_application_insights.main.id
  role_definition_name = "Monitoring Metrics Publisher"
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "secrets" {
  scope                = azurerm_key_vault.main.id
  role_definition_name = "Key Vault Secrets User"
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal"
}

# The app sends; it reads nothing there, and makes nothing.
resource "azurerm_role_assignment" "messages" {
  count = local.has_service_bus ? 1 : 0

  scope                = azurerm_servicebus_namespace.main[0].id
  role_definition_name = "Azure Service Bus Data Sender"
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal"
}

# Event Grid writes what it could not deliver, and nothing else.
resource "azurerm_role_assignment" "dead_letters" {
  scope                = azurerm_storage_container.dead_letter.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = azurerm_eventgrid_system_topic.hot_folder.identity[0].principal_id
  principal_type       = "ServicePrincipal"
}
