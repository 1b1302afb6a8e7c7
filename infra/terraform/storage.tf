# The account that holds everything but the drops: inbox, results, archive, quarantine, tables, the deployed package.
# It accepts identities only.

locals {
  storage_sku = split("_", local.profile.storageSku)
}

resource "azurerm_storage_account" "main" {
  # checkov:skip=CKV_AZURE_33: the ledger has the outcome of every message; a log line per queue call would cost more than the calls
  # checkov:skip=CKV_AZURE_35: printIQ, Event Grid and Flex Consumption come over the public endpoint with an identity or a signature; docs/operate.md says how to close it
  # checkov:skip=CKV_AZURE_59: printIQ, Event Grid and Flex Consumption come over the public endpoint with an identity or a signature; docs/operate.md says how to close it
  # checkov:skip=CKV2_AZURE_1: Microsoft's keys encrypt; a key of one's own adds a way to lose every event
  # checkov:skip=CKV2_AZURE_33: printIQ, Event Grid and Flex Consumption come over the public endpoint with an identity or a signature; docs/operate.md says how to close it
  name                             = "st${local.token}"
  location                         = azurerm_resource_group.main.location
  resource_group_name              = azurerm_resource_group.main.name
  tags                             = local.tags
  account_kind                     = "StorageV2"
  account_tier                     = local.storage_sku[0]
  account_replication_type         = local.storage_sku[1]
  access_tier                      = "Hot"
  allow_nested_items_to_be_public  = false
  cross_tenant_replication_enabled = false
  shared_access_key_enabled        = false
  default_to_oauth_authentication  = true
  https_traffic_only_enabled       = true
  min_tls_version                  = "TLS1_2"
  public_network_access            = "Enabled"

  blob_properties {
    versioning_enabled = local.profile.blobVersioning

    delete_retention_policy {
      days = local.profile.softDeleteDays
    }
    container_delete_retention_policy {
      days = local.profile.softDeleteDays
    }
  }

  network_rules {
    bypass         = ["AzureServices"]
    default_action = "Allow"
  }
}

resource "azurerm_storage_container" "archive" {
  # checkov:skip=CKV2_AZURE_21: deletion is audited by a diagnostic setting, which this check does not know
  name               = "archive"
  storage_account_id = azurerm_storage_account.main.id
}

resource "azurerm_storage_container" "quarantine" {
  # checkov:skip=CKV2_AZURE_21: deletion is audited by a diagnostic setting, which this check does not know
  name               = "quarantine"
  storage_account_id = azurerm_storage_account.main.id
}

# What is remembered of each FTP source from one poll to the next.
resource "azurerm_storage_container" "ftp" {
  # checkov:skip=CKV2_AZURE_21: deletion is audited by a diagnostic setting, which this check does not know
  name               = "ftp"
  storage_account_id = azurerm_storage_account.main.id
}

# What Flex Consumption runs: each deployment replaces the package.
resource "azurerm_storage_container" "package" {
  # checkov:skip=CKV2_AZURE_21: deletion is audited by a diagnostic setting, which this check does not know
  name               = "app-package"
  storage_account_id = azurerm_storage_account.main.id
}

# Notifications that Event Grid could not deliver; the sweep of the hot folder needs none of them.
resource "azurerm_storage_container" "dead_letter" {
  # checkov:skip=CKV2_AZURE_21: deletion is audited by a diagnostic setting, which this check does not know
  name               = "event-grid-dead-letter"
  storage_account_id = azurerm_storage_account.main.id
}

resource "azurerm_storage_queue" "inbox" {
  name               = "printiq-inbox"
  storage_account_id = azurerm_storage_account.main.id
}

resource "azurerm_storage_queue" "inbox_poison" {
  name               = "printiq-inbox-poison"
  storage_account_id = azurerm_storage_account.main.id
}

# What is to be pushed to an address.
resource "azurerm_storage_queue" "push" {
  name               = "printiq-push"
  storage_account_id = azurerm_storage_account.main.id
}

resource "azurerm_storage_queue" "push_poison" {
  name               = "printiq-push-poison"
  storage_account_id = azurerm_storage_account.main.id
}

resource "azurerm_storage_queue" "results" {
  for_each = toset(local.profile.resultQueues)

  name               = each.key
  storage_account_id = azurerm_storage_account.main.id
}

# Through Resource Manager, as Bicep does: azurerm's own resource speaks to the tables themselves, which would need a data
# role for the deployer (https://github.com/hashicorp/terraform-provider-azurerm/issues/30815).
resource "azapi_resource" "tables" {
  for_each = toset(["deliveries", "timeline", "records", "search", "erasures", "duplicates", "lastseen", "drift", "sends", "subscriptions"])

  type      = "Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01"
  name      = each.key
  parent_id = "${azurerm_storage_account.main.id}/tableServices/default"
}

# Quarantine is not named here: its blobs, and those of failed deliveries, are the app's to remove.
resource "azurerm_storage_management_policy" "main" {
  storage_account_id = azurerm_storage_account.main.id

  rule {
    name    = "archive"
    enabled = true

    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["archive/"]
    }

    actions {
      base_blob {
        tier_to_cool_after_days_since_modification_greater_than = local.profile.coolAfterDays > 0 ? local.profile.coolAfterDays : null
        delete_after_days_since_modification_greater_than       = local.profile.retentionDays
      }
    }
  }

  rule {
    name    = "event-grid-dead-letter"
    enabled = true

    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["event-grid-dead-letter/"]
    }

    actions {
      base_blob {
        delete_after_days_since_modification_greater_than = 30
      }
    }
  }

  # What overwrites and deletions leave behind goes when a deleted blob would.
  dynamic "rule" {
    for_each = local.profile.blobVersioning ? ["versions"] : []

    content {
      name    = rule.value
      enabled = true

      filters {
        blob_types = ["blockBlob"]
      }

      actions {
        version {
          delete_after_days_since_creation = local.profile.softDeleteDays
        }
      }
    }
  }
}

# Who deleted a blob.
resource "azurerm_monitor_diagnostic_setting" "storage" {
  name                       = "audit"
  target_resource_id         = "${azurerm_storage_account.main.id}/blobServices/default"
  log_analytics_workspace_id = azurerm_log_analytics_workspace.main.id

  enabled_log {
    category = "StorageDelete"
  }
}

resource "azurerm_management_lock" "storage" {
  count = local.profile.deleteLocks ? 1 : 0

  name       = "keep-${azurerm_storage_account.main.name}"
  scope      = azurerm_storage_account.main.id
  lock_level = "CanNotDelete"
  notes      = "Holds every event that was confirmed to printIQ."

  # Made last and removed first: it would keep each of these from being removed too.
  depends_on = [
    azurerm_storage_container.archive,
    azurerm_storage_container.quarantine,
    azurerm_storage_container.ftp,
    azurerm_storage_container.package,
    azurerm_storage_container.dead_letter,
    azurerm_storage_queue.inbox,
    azurerm_storage_queue.inbox_poison,
    azurerm_storage_queue.push,
    azurerm_storage_queue.push_poison,
    azurerm_storage_queue.results,
    azapi_resource.tables,
    azurerm_storage_management_policy.main,
    azurerm_monitor_diagnostic_setting.storage,
    azurerm_role_assignment.storage_blobs,
    azurerm_role_assignment.storage_queues,
    azurerm_role_assignment.storage_tables,
    azurerm_role_assignment.dead_letters,
  ]
}
