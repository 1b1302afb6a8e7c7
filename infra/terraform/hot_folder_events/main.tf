# The notification of new files: from the hot folder's topic to the app's Blob trigger. It is a configuration of its own, applied
# after the code is deployed, since the key in its address is made when the code first runs. Again is harmless.

terraform {
  required_version = ">= 1.9"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "5.10.0"
    }
    azapi = {
      source  = "Azure/azapi"
      version = "2.13.0"
    }
  }
}

provider "azurerm" {
  features {}

  subscription_id = var.subscription_id
}

provider "azapi" {
  subscription_id = var.subscription_id
}

data "azurerm_function_app_host_keys" "app" {
  name                = var.function_app_name
  resource_group_name = var.resource_group_name
}

# The address as Azure has it: a new app's host name has a random part, and sovereign clouds have other domains.
data "azapi_resource" "app" {
  type                   = "Microsoft.Web/sites@2025-03-01"
  name                   = var.function_app_name
  parent_id              = "/subscriptions/${var.subscription_id}/resourceGroups/${var.resource_group_name}"
  response_export_values = ["properties.defaultHostName"]
}

data "azurerm_storage_account" "dead_letter" {
  name                = var.storage_account_name
  resource_group_name = var.resource_group_name
}

locals {
  # The name after Host.Functions. must be the function's own: a wrong one is answered 202, and the file is forgotten.
  endpoint = "https://${data.azapi_resource.app.output.properties.defaultHostName}/runtime/webhooks/blobs?functionName=Host.Functions.hot_folder"
}

resource "azurerm_eventgrid_system_topic_event_subscription" "hot_folder" {
  name                  = "hot-folder"
  resource_group_name   = var.resource_group_name
  system_topic          = var.system_topic_name
  event_delivery_schema = "EventGridSchema"
  included_event_types  = ["Microsoft.Storage.BlobCreated"]

  webhook_endpoint {
    url = "${local.endpoint}&code=${data.azurerm_function_app_host_keys.app.blobs_extension_key}"
  }

  subject_filter {
    subject_begins_with = "/blobServices/default/containers/hot-folder/blobs/"
  }

  advanced_filter {
    string_in {
      key    = "data.api"
      values = ["PutBlob", "PutBlockList", "CopyBlob", "FlushWithClose", "SftpCommit"]
    }
  }

  retry_policy {
    max_delivery_attempts = 30
    event_time_to_live    = 1440
  }

  dead_letter_identity {
    type = "SystemAssigned"
  }

  storage_blob_dead_letter_destination {
    storage_account_id          = data.azurerm_storage_account.dead_letter.id
    storage_blob_container_name = "event-grid-dead-letter"
  }
}
