# The function app on Flex Consumption, and its settings.
#
# The app itself is an azapi_resource. azurerm_function_app_flex_consumption puts an AzureWebJobsStorage of its own beside the
# identity-based connection on every apply, and the host does not start with it
# (https://github.com/hashicorp/terraform-provider-azurerm/issues/29149, 29693, 30732); it also knows neither the identity for
# Key Vault references (31439) nor the update strategy. Here the settings are the ones below, and no others.

locals {
  # Settings with a double underscore make up one identity-based connection. Flex Consumption knows the runtime from
  # functionAppConfig, and refuses FUNCTIONS_WORKER_RUNTIME.
  settings = {
    AzureWebJobsStorage__blobServiceUri       = azurerm_storage_account.main.primary_blob_endpoint
    AzureWebJobsStorage__queueServiceUri      = azurerm_storage_account.main.primary_queue_endpoint
    AzureWebJobsStorage__tableServiceUri      = azurerm_storage_account.main.primary_table_endpoint
    AzureWebJobsStorage__credential           = "managedidentity"
    AzureWebJobsStorage__clientId             = azurerm_user_assigned_identity.app.client_id
    HOT_FOLDER__blobServiceUri                = azurerm_storage_account.hot_folder.primary_blob_endpoint
    HOT_FOLDER__queueServiceUri               = azurerm_storage_account.hot_folder.primary_queue_endpoint
    HOT_FOLDER__credential                    = "managedidentity"
    HOT_FOLDER__clientId                      = azurerm_user_assigned_identity.app.client_id
    HOT_FOLDER_SOURCE                         = "EventGrid"
    APPLICATIONINSIGHTS_CONNECTION_STRING     = azurerm_application_insights.main.connection_string
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING = "ClientId=${azurerm_user_assigned_identity.app.client_id};Authorization=AAD"
    PRINTIQ_SITE                              = var.site
    PRINTIQ_TIER                              = var.tier
    DATE_ORDER                                = local.profile.dateOrder
    DUPLICATE_WINDOW_SECONDS                  = tostring(local.profile.duplicateWindowSeconds)
    MAX_BODY_BYTES                            = tostring(local.profile.maxBodyBytes)
    HTTP_STREAMS                              = tostring(local.profile.httpStreams)
    SOAP_RESPONSE                             = local.profile.soapResponse
    QUARANTINE_STATUS                         = local.profile.quarantineStatus
    RETENTION_DAYS                            = tostring(local.profile.retentionDays)
  }
  subscription_settings = local.profile.subscriptions == "" ? {} : { SUBSCRIPTIONS = local.profile.subscriptions }
  # The host's name alone, without https:// before and :443/ behind it.
  service_bus_settings = local.has_service_bus ? {
    SERVICE_BUS__fullyQualifiedNamespace = split(":", split("/", azurerm_servicebus_namespace.main[0].endpoint)[2])[0]
    SERVICE_BUS__clientId                = azurerm_user_assigned_identity.app.client_id
  } : {}
  secret_settings = {
    for setting, secret in local.profile.secrets : setting => "@Microsoft.KeyVault(VaultName=${azurerm_key_vault.main.name};SecretName=${secret})"
  }
  ftp_sources = { FTP_SOURCES = "@Microsoft.KeyVault(VaultName=${azurerm_key_vault.main.name};SecretName=ftp-sources)" }
  # A timer that has nothing to do would wake an instance every minute.
  ftp_settings = local.profile.ftpSources ? local.ftp_sources : { "AzureWebJobs.poll_ftp.Disabled" = "true" }

  app_settings = merge(
    local.settings,
    local.subscription_settings,
    local.service_bus_settings,
    local.secret_settings,
    local.ftp_settings,
  )

  # Event Grid reaches the app through its public address, so its tag is let in beside printIQ's own addresses.
  restricted = length(local.profile.allowedAddresses) > 0
  address_rules = [
    for index, address in local.profile.allowedAddresses : {
      name      = "allowed-${index}"
      action    = "Allow"
      priority  = 100 + index
      tag       = "Default"
      ipAddress = strcontains(address, "/") ? address : "${address}/${strcontains(address, ":") ? 128 : 32}"
    }
  ]
  event_grid_rule = {
    name      = "event-grid"
    action    = "Allow"
    priority  = 90
    tag       = "ServiceTag"
    ipAddress = "AzureEventGrid"
  }
}

resource "azapi_resource" "plan" {
  type      = "Microsoft.Web/serverfarms@2025-03-01"
  name      = "plan-printiq-${local.token}"
  location  = azurerm_resource_group.main.location
  parent_id = azurerm_resource_group.main.id
  tags      = local.tags

  body = {
    kind = "functionapp"
    sku  = { name = "FC1", tier = "FlexConsumption" }
    properties = {
      reserved      = true
      zoneRedundant = local.profile.zoneRedundant
    }
  }
}

resource "azapi_resource" "function_app" {
  type                   = "Microsoft.Web/sites@2025-03-01"
  name                   = "func-printiq-${local.token}"
  location               = azurerm_resource_group.main.location
  parent_id              = azurerm_resource_group.main.id
  tags                   = merge(local.tags, { azd-service-name = "receiver" })
  response_export_values = ["properties.defaultHostName"]

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.app.id]
  }

  body = {
    kind = "functionapp,linux"
    properties = {
      serverFarmId              = azapi_resource.plan.id
      httpsOnly                 = true
      publicNetworkAccess       = "Enabled"
      keyVaultReferenceIdentity = azurerm_user_assigned_identity.app.id
      functionAppConfig = {
        deployment = {
          storage = {
            type  = "blobContainer"
            value = "${azurerm_storage_account.main.primary_blob_endpoint}${azurerm_storage_container.package.name}"
            authentication = {
              type                           = "UserAssignedIdentity"
              userAssignedIdentityResourceId = azurerm_user_assigned_identity.app.id
            }
          }
        }
        runtime = { name = "python", version = "3.13" }
        scaleAndConcurrency = {
          instanceMemoryMB     = local.profile.instanceMemoryMB
          maximumInstanceCount = local.profile.maximumInstanceCount
          alwaysReady = [
            for group, count in local.profile.alwaysReady : { name = group, instanceCount = count } if count > 0
          ]
          triggers = { http = { perInstanceConcurrency = local.profile.httpConcurrency } }
        }
        siteUpdateStrategy = { type = local.profile.siteUpdateStrategy }
      }
      siteConfig = {
        appSettings = [
          for name, value in local.app_settings : {
            name  = name
            value = value
          }
        ]
        http20Enabled                       = true
        minTlsVersion                       = "1.2"
        scmMinTlsVersion                    = "1.2"
        ipSecurityRestrictions              = concat(local.restricted ? [local.event_grid_rule] : [], local.address_rules)
        ipSecurityRestrictionsDefaultAction = local.restricted ? "Deny" : "Allow"
        scmIpSecurityRestrictionsUseMain    = false
      }
    }
  }

  depends_on = [
    azurerm_role_assignment.storage_blobs,
    azurerm_role_assignment.storage_queues,
    azurerm_role_assignment.storage_tables,
    azurerm_role_assignment.hot_folder_blobs,
    azurerm_role_assignment.hot_folder_queues,
    azurerm_role_assignment.traces,
    azurerm_role_assignment.secrets,
    azurerm_role_assignment.messages,
  ]
}

# Deployment works with identities; nobody logs in with a password. Both policies come with the app, so they are updated.
resource "azapi_update_resource" "password_login" {
  for_each = toset(["ftp", "scm"])

  type      = "Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01"
  name      = each.key
  parent_id = azapi_resource.function_app.id

  body = { properties = { allow = false } }
}

# The host's own log of its start: Application Insights receives logs only once the host runs.
resource "azurerm_monitor_diagnostic_setting" "function_app" {
  name                       = "logs"
  target_resource_id         = azapi_resource.function_app.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.main.id

  enabled_log {
    category = "FunctionAppLogs"
  }
}
