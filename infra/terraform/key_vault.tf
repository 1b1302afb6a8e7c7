# The vault for secrets: ftp-sources is the whole setting FTP_SOURCES, alert-webhook the address for alerts, and the
# profile's `secrets` name those of subscriptions. People write them; the deployment reads none.

resource "azurerm_key_vault" "main" {
  # checkov:skip=CKV_AZURE_109: printIQ, Event Grid and Flex Consumption come over the public endpoint with an identity or a signature; docs/operate.md says how to close it
  # checkov:skip=CKV_AZURE_189: printIQ, Event Grid and Flex Consumption come over the public endpoint with an identity or a signature; docs/operate.md says how to close it
  # checkov:skip=CKV2_AZURE_32: printIQ, Event Grid and Flex Consumption come over the public endpoint with an identity or a signature; docs/operate.md says how to close it
  name                          = "kv-${local.token}"
  location                      = azurerm_resource_group.main.location
  resource_group_name           = azurerm_resource_group.main.name
  tags                          = local.tags
  tenant_id                     = data.azurerm_client_config.current.tenant_id
  sku_name                      = "standard"
  rbac_authorization_enabled    = true
  soft_delete_retention_days    = 90
  purge_protection_enabled      = true
  public_network_access_enabled = true

  network_acls {
    bypass         = "AzureServices"
    default_action = "Allow"
  }
}

# Who read a secret.
resource "azurerm_monitor_diagnostic_setting" "key_vault" {
  name                       = "audit"
  target_resource_id         = azurerm_key_vault.main.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.main.id

  enabled_log {
    category = "AuditEvent"
  }
}
