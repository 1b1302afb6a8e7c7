# Queues and topics for consumers that need one subject's events in order: its session is the subject. Only made where
# the profile names one.

locals {
  has_service_bus = length(local.profile.serviceBus.queues) + length(local.profile.serviceBus.topics) > 0
  is_premium      = local.profile.serviceBus.tier == "premium"
  topic_subscriptions = merge([
    for topic, names in local.profile.serviceBus.topics : { for name in names : "${topic}/${name}" => { topic = topic, name = name } }
  ]...)

  # What every entity that is sent to has. A message that is sent again after a crash has its id again, so the broker
  # drops it; a day covers an outage over night. What it holds needs no lock: the app can replay it.
  duplicate_window = "P1D"
  entity_megabytes = 5120
  # After ten failures a message no longer holds up its session.
  max_delivery_count = 10
}

resource "azurerm_servicebus_namespace" "main" {
  # checkov:skip=CKV_AZURE_199: double encryption needs a key of one's own, and the premium tier
  # checkov:skip=CKV_AZURE_201: Microsoft's keys encrypt; a key of one's own adds a way to lose every event
  # checkov:skip=CKV_AZURE_202: the namespace calls nobody; an identity of its own would serve a key of one's own
  # checkov:skip=CKV_AZURE_204: consumers come over the public endpoint with an identity; a private one needs the premium tier
  count = local.has_service_bus ? 1 : 0

  name                          = "sb-printiq-${local.token}"
  location                      = azurerm_resource_group.main.location
  resource_group_name           = azurerm_resource_group.main.name
  tags                          = local.tags
  sku                           = local.is_premium ? "Premium" : "Standard"
  capacity                      = local.is_premium ? 1 : 0
  premium_messaging_partitions  = local.is_premium ? 1 : 0
  local_auth_enabled            = false
  minimum_tls_version           = "1.2"
  public_network_access_enabled = true
}

resource "azurerm_servicebus_queue" "queues" {
  for_each = toset(local.profile.serviceBus.queues)

  name                                    = each.key
  namespace_id                            = azurerm_servicebus_namespace.main[0].id
  requires_session                        = true
  requires_duplicate_detection            = true
  duplicate_detection_history_time_window = local.duplicate_window
  max_size_in_megabytes                   = local.entity_megabytes
  max_delivery_count                      = local.max_delivery_count
  dead_lettering_on_message_expiration    = true
}

resource "azurerm_servicebus_topic" "topics" {
  for_each = local.profile.serviceBus.topics

  name                                    = each.key
  namespace_id                            = azurerm_servicebus_namespace.main[0].id
  requires_duplicate_detection            = true
  duplicate_detection_history_time_window = local.duplicate_window
  max_size_in_megabytes                   = local.entity_megabytes
  support_ordering                        = true
}

resource "azurerm_servicebus_subscription" "readers" {
  for_each = local.topic_subscriptions

  name                                 = each.value.name
  topic_id                             = azurerm_servicebus_topic.topics[each.value.topic].id
  requires_session                     = true
  max_delivery_count                   = local.max_delivery_count
  dead_lettering_on_message_expiration = true
}
