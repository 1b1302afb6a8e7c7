// The types of what is passed between the files.

@export()
type Tags = {
  @description('Name and value.')
  *: string
}

@export()
@sealed()
@description('One of environments/*.json: all that differs between UAT and production. Terraform reads the same files.')
type Profile = {
  @description('Memory of one instance.')
  instanceMemoryMB: 512 | 2048 | 4096

  @minValue(1)
  @maxValue(1000)
  @description('How far the app scales out.')
  maximumInstanceCount: int

  @minValue(1)
  @maxValue(1000)
  @description('Requests that one instance handles at once: the largest body needs 300 MB while it is read.')
  httpConcurrency: int

  @description('Instances that are always ready, by scale group: http, blob or function:<name>. The others start cold.')
  alwaysReady: InstanceCounts

  @description('RollingUpdate drains instances; Microsoft has it in preview and advises against it in production.')
  siteUpdateStrategy: 'Recreate' | 'RollingUpdate'

  @description('Whether the app runs in several zones. It then keeps two instances ready for every scale group.')
  zoneRedundant: bool

  @description('Redundancy of both storage accounts.')
  storageSku: 'Standard_LRS' | 'Standard_ZRS' | 'Standard_GRS' | 'Standard_RAGRS' | 'Standard_GZRS' | 'Standard_RAGZRS'

  @description('Whether the storage accounts are locked against deletion.')
  deleteLocks: bool

  @minValue(1)
  @maxValue(365)
  @description('For how many days a deleted blob can be restored.')
  softDeleteDays: int

  @description('Whether the versions of an overwritten blob are kept, for as long as deleted blobs are.')
  blobVersioning: bool

  @minValue(0)
  @description('Age in days at which archived blobs move to the cool tier; 0 is never.')
  coolAfterDays: int

  @minValue(1)
  @description('Age in days at which archived blobs and rows of the ledger are deleted.')
  retentionDays: int

  @minValue(30)
  @maxValue(730)
  @description('For how many days logs are kept.')
  logRetentionDays: int

  @minValue(-1)
  @description('Daily limit of log ingestion; -1 is none. Over the limit traces are lost, and with them the alerts.')
  logDailyCapGB: int

  @description('Which number is the day in 03/04/26.')
  dateOrder: 'DMY' | 'MDY'

  @minValue(0)
  @description('For how long equal content is marked as a duplicate; 0 is off.')
  duplicateWindowSeconds: int

  @minValue(1)
  @maxValue(104857600)
  @description('Larger bodies are refused.')
  maxBodyBytes: int

  @description('false: HTTP without streams; bodies in chunks are then refused with 411.')
  httpStreams: bool

  @description('empty confirms a SOAP request by an empty 202, for a one-way operation.')
  soapResponse: 'envelope' | 'empty'

  @description('202 confirms refused bodies too, for a sender that stops at an error.')
  quarantineStatus: '' | '202'

  @description('TOML that replaces subscriptions.toml; empty for none.')
  subscriptions: string

  @description('The queues that the subscriptions name.')
  resultQueues: string[]

  @description('Service Bus for consumers that need order. Nothing is made, and nothing paid, while it names no entity.')
  serviceBus: ServiceBus

  @description('Settings whose values are in the vault: the setting that subscriptions.toml names, and the secret.')
  secrets: Secrets

  @minValue(60)
  @description('Age of the oldest message at which a consumer counts as down.')
  resultQueueMaxAgeSeconds: int

  @description('Hours for which an event may be silent, by event name.')
  silentAfterHours: EventHours

  @description('Where alerts go beside the mailbox, once the vault holds the secret alert-webhook; empty for nowhere.')
  alertWebhook: AlertWebhook

  @description('Whether the vault holds the secret ftp-sources. Without it no FTP server is polled.')
  ftpSources: bool

  @description('Addresses or ranges that may call the app, IPv4 or IPv6; none for all.')
  allowedAddresses: string[]

  @description('SFTP as a further way into the hot folder.')
  sftp: Sftp
}

@export()
@description('What is posted: a card for Teams, text for Slack, or the common alert schema as Azure Monitor writes it.')
type AlertWebhook = '' | 'teams' | 'slack' | 'json'

type InstanceCounts = {
  @minValue(0)
  @maxValue(1000)
  @description('Instances of one scale group.')
  *: int
}

@export()
type EventHours = {
  @minValue(1)
  @description('Hours.')
  *: int
}

@export()
@sealed()
type ServiceBus = {
  @description('standard, for messages of up to 256 KB, costs about $10 a month; premium, for 1 MB, about $677.')
  tier: 'standard' | 'premium'

  @description('Queues, with sessions and duplicate detection.')
  queues: string[]

  @description('Topics by name, each with the names of its subscriptions.')
  topics: Topics
}

type Topics = {
  @minLength(1)
  @description('The subscriptions of a topic. A topic without one would drop every message.')
  *: string[]
}

type Secrets = {
  @minLength(1)
  @maxLength(127)
  @description('The name of a secret.')
  *: string
}

@export()
@sealed()
type Sftp = {
  @description('SFTP needs a hierarchical namespace, which an account keeps for ever.')
  enabled: bool

  @minLength(3)
  @maxLength(64)
  @description('The local user of the storage account.')
  userName: string

  @description('The public key of the sender.')
  sshPublicKey: string
}
