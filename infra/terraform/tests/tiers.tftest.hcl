# Applies the whole configuration, for UAT and for production, to providers that invent what Azure would answer.

mock_provider "azurerm" {
  mock_resource "azurerm_key_vault" {
    defaults = {
      vault_uri = "https://kv.vault.azure.net/"
    }
  }

  mock_resource "azurerm_servicebus_namespace" {
    defaults = {
      endpoint = "https://sb.servicebus.windows.net:443/"
    }
  }

  mock_resource "azurerm_storage_account" {
    defaults = {
      primary_blob_endpoint  = "https://account.blob.core.windows.net/"
      primary_queue_endpoint = "https://account.queue.core.windows.net/"
      primary_table_endpoint = "https://account.table.core.windows.net/"
    }
  }
}

mock_provider "azapi" {
  mock_data "azapi_resource_action" {
    defaults = {
      sensitive_output = { value = "https://workflow.example.com/invoke" }
    }
  }

  mock_resource "azapi_resource" {
    defaults = {
      output = { properties = { defaultHostName = "func-printiq.azurewebsites.net" } }
    }
  }
}

variables {
  subscription_id  = "00000000-0000-0000-0000-000000000000"
  environment_name = "printiq-test"
  location         = "australiaeast"
  site             = "test"
  alert_email      = "operator@example.com"
}

run "uat" {
  variables {
    tier = "uat"
  }

  assert {
    condition     = azapi_resource.function_app.body.properties.functionAppConfig.scaleAndConcurrency.alwaysReady == []
    error_message = "UAT keeps no instance ready: it is paid for by use."
  }

  assert {
    condition     = length(azurerm_management_lock.storage) + length(azurerm_management_lock.hot_folder) == 0
    error_message = "UAT can be deleted."
  }

  assert {
    condition     = azapi_resource.function_app.body.properties.siteConfig.ipSecurityRestrictionsDefaultAction == "Allow"
    error_message = "Without a list of addresses everybody may reach the app; the function key decides."
  }

  assert {
    condition     = output.WEBHOOK_URL == "https://func-printiq.azurewebsites.net/api/webhooks/{event}"
    error_message = "The webhook's address is printed."
  }

  assert {
    condition     = output.HOT_FOLDER_URL == "https://account.blob.core.windows.net/hot-folder/{event}/"
    error_message = "The hot folder's address is printed."
  }
}

run "prod" {
  variables {
    tier = "prod"
  }

  assert {
    condition = contains(
      azapi_resource.function_app.body.properties.functionAppConfig.scaleAndConcurrency.alwaysReady,
      { name = "http", instanceCount = 2 },
    )
    error_message = "Production keeps two instances ready: a cold start meets a sender whose time-out nobody knows."
  }

  assert {
    condition = contains(
      azapi_resource.function_app.body.properties.functionAppConfig.scaleAndConcurrency.alwaysReady,
      { name = "function:heartbeat", instanceCount = 1 },
    )
    error_message = "Production keeps an instance ready for the timer that every alert depends on."
  }

  assert {
    condition     = alltrue([for account in [azurerm_storage_account.main, azurerm_storage_account.hot_folder] : account.account_replication_type == "ZRS"])
    error_message = "What production holds survives the loss of a zone."
  }

  assert {
    condition     = length(azurerm_management_lock.storage) + length(azurerm_management_lock.hot_folder) == 2
    error_message = "Both accounts are locked in production."
  }

  assert {
    condition     = !azurerm_storage_account.main.shared_access_key_enabled
    error_message = "The account for the data accepts no key."
  }

  assert {
    condition     = alltrue([for alert in azurerm_monitor_scheduled_query_rules_alert_v2.alerts : !strcontains(alert.criteria[0].query, "{resultQueueMaxAge")])
    error_message = "Every placeholder of the queries is filled in."
  }

  assert {
    condition     = strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.alerts["event-silent"].criteria[0].query, "\"CreateJob\":96")
    error_message = "The hours of silence reach the query."
  }

  assert {
    condition = !contains(
      [for setting in azapi_resource.function_app.body.properties.siteConfig.appSettings : setting.name],
      "AzureWebJobsStorage",
    )
    error_message = "The host does not start with an AzureWebJobsStorage beside the identity-based connection."
  }
}

run "a_tier_of_another_name" {
  command = plan

  variables {
    tier = "production"
  }

  expect_failures = [var.tier]
}
