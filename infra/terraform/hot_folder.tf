# The account that printIQ drops files into. It is apart, because a shared-access signature needs shared keys,
# and nothing else should accept them. Its Event Grid topic notifies the app of each new file.

resource "azurerm_storage_account" "hot_folder" {
  # checkov:skip=CKV_AZURE_33: audited by a diagnostic setting; the queues here are the Blob trigger's own
  # checkov:skip=CKV_AZURE_35: printIQ, Event Grid and Flex Consumption come over the public endpoint with an identity or a signature; docs/operate.md says how to close it
  # checkov:skip=CKV_AZURE_59: printIQ, Event Grid and Flex Consumption come over the public endpoint with an identity or a signature; docs/operate.md says how to close it
  # checkov:skip=CKV2_AZURE_1: Microsoft's keys encrypt; a key of one's own adds a way to lose every event
  # checkov:skip=CKV2_AZURE_33: printIQ, Event Grid and Flex Consumption come over the public endpoint with an identity or a signature; docs/operate.md says how to close it
  # checkov:skip=CKV2_AZURE_40: printIQ writes with a shared-access signature, which needs shared keys; no other account has them
  name                             = "sthot${local.token}"
  location                         = azurerm_resource_group.main.location
  resource_group_name              = azurerm_resource_group.main.name
  tags                             = local.tags
  account_kind                     = "StorageV2"
  account_tier                     = local.storage_sku[0]
  account_replication_type         = local.storage_sku[1]
  access_tier                      = "Hot"
  allow_nested_items_to_be_public  = false
  cross_tenant_replication_enabled = false
  shared_access_key_enabled        = true
  default_to_oauth_authentication  = true
  is_hns_enabled                   = local.profile.sftp.enabled
  local_user_enabled               = local.profile.sftp.enabled
  sftp_enabled                     = local.profile.sftp.enabled
  https_traffic_only_enabled       = true
  min_tls_version                  = "TLS1_2"
  public_network_access            = "Enabled"

  blob_properties {
    delete_retention_policy {
      days = local.profile.softDeleteDays
    }
    container_delete_retention_policy {
      days = local.profile.softDeleteDays
    }
  }

  sas_policy {
    expiration_period = "365.00:00:00"
    expiration_action = "Log"
  }

  network_rules {
    bypass         = ["AzureServices"]
    default_action = "Allow"
  }
}

resource "azurerm_storage_container" "hot_folder" {
  # checkov:skip=CKV2_AZURE_21: audited by a diagnostic setting, which this check does not know
  name               = "hot-folder"
  storage_account_id = azurerm_storage_account.hot_folder.id
}

resource "azurerm_storage_account_local_user" "sftp" {
  count = local.profile.sftp.enabled ? 1 : 0

  name                 = local.profile.sftp.userName
  storage_account_id   = azurerm_storage_account.hot_folder.id
  home_directory       = azurerm_storage_container.hot_folder.name
  ssh_key_enabled      = true
  ssh_password_enabled = false

  ssh_authorized_key {
    description = "printIQ"
    key         = local.profile.sftp.sshPublicKey
  }

  permission_scope {
    service       = "blob"
    resource_name = azurerm_storage_container.hot_folder.name

    permissions {
      write  = true
      create = true
      list   = true
    }
  }
}

resource "azurerm_eventgrid_system_topic" "hot_folder" {
  name                = "evgt-hot-folder-${local.token}"
  location            = azurerm_resource_group.main.location
  resource_group_name = azurerm_resource_group.main.name
  tags                = local.tags
  source_resource_id  = azurerm_storage_account.hot_folder.id
  topic_type          = "Microsoft.Storage.StorageAccounts"

  identity {
    type = "SystemAssigned"
  }
}

# Who read, wrote or deleted a drop, and with which signature.
resource "azurerm_monitor_diagnostic_setting" "hot_folder" {
  name                       = "audit"
  target_resource_id         = "${azurerm_storage_account.hot_folder.id}/blobServices/default"
  log_analytics_workspace_id = azurerm_log_analytics_workspace.main.id

  enabled_log {
    category = "StorageRead"
  }
  enabled_log {
    category = "StorageWrite"
  }
  enabled_log {
    category = "StorageDelete"
  }
}

resource "azurerm_management_lock" "hot_folder" {
  count = local.profile.deleteLocks ? 1 : 0

  name       = "keep-${azurerm_storage_account.hot_folder.name}"
  scope      = azurerm_storage_account.hot_folder.id
  lock_level = "CanNotDelete"
  notes      = "printIQ writes here; a file leaves only when it is in custody."

  # As for the account for data: made last and removed first.
  depends_on = [
    azurerm_storage_container.hot_folder,
    azurerm_storage_account_local_user.sftp,
    azurerm_eventgrid_system_topic.hot_folder,
    azurerm_monitor_diagnostic_setting.hot_folder,
    azurerm_role_assignment.hot_folder_blobs,
    azurerm_role_assignment.hot_folder_queues,
  ]
}
