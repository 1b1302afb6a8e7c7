"""The Job XML document that printIQ hands to production systems, from genuine documents."""

from collections.abc import Iterator
from typing import ClassVar, override

from events.facts import FactFields
from events.fields import Many, One, Part, also
from events.models.payload import Payload
from events.subjects import Kind, Subject, key, subject
from events.values import Boolean, DateOrDateTime, Integer, Number, Text


class JobConfig(Part):
    ProductionIntegrationPath: Text = None
    MeasurementType: Text = None


class MetadataField(Part):
    Name: Text = None
    Value: Text = None


class JobAccountManager(Part):
    FullName: Text = None
    Email: Text = None
    Phone: Text = None


class JobCustomerAddress(Part):
    Name: Text = None
    Address1: Text = also("Line1", "AddressLine1")
    Address2: Text = also("Line2", "AddressLine2")
    Address3: Text = also("Line3", "AddressLine3")
    City: Text = None
    PostCode: Text = None
    State: Text = also("StateName")
    Country: Text = None
    ExternalNote: Text = None
    InternalNote: Text = None


class JobCustomerContact(Part):
    Name: Text = None
    Phone: Text = None
    Mobile: Text = None
    Email: Text = None
    CreditTerms: Text = None


class JobCustomer(Part):
    Number: Text = None
    Name: Text = None
    Address: One[JobCustomerAddress] = None
    Contact: One[JobCustomerContact] = None


class DeliveryAddress(Part):
    AddressKey: Integer = None
    AddressLine1: Text = also("Line1", "Address1")
    AddressLine2: Text = also("Line2", "Address2")
    AddressLine3: Text = also("Line3", "Address3")
    City: Text = None
    StateID: Integer = None
    State: Text = also("StateName")
    Country: Text = None
    PostCode: Text = None
    Name: Text = None
    DisplayString: Text = None


class DeliveryContact(Part):
    ContactKey: Integer = None
    Title: Text = None
    FirstName: Text = None
    Surname: Text = None
    Phone: Text = None
    Fax: Text = None
    Mobile: Text = None
    Email: Text = None
    AddressKey: Integer = None
    IsAddressSpecific: Boolean = None
    DisplayString: Text = None


class JobDelivery(Part):
    Status: Text = None
    Quantity: Number = None
    Boxes: Number = None
    Connote: Text = None
    DelNum: Text = None
    DeliveryInstructions: Text = None
    Address: One[DeliveryAddress] = None
    Contact: One[DeliveryContact] = None


class Material(Part):
    Name: Text = None
    Code: Text = None
    Units: Text = None
    Quantity: Number = None


class Operation(Part):
    """One step of production; times are text as printIQ writes them (`00:   05`, once `01:   -22`)."""

    OperationKey: Integer = None
    Name: Text = None
    Machine: Text = None
    EstMRTimeHHMM: Text = None
    EstRunTimeHHMM: Text = None
    Materials: Many[Material] = ()
    Cost: Number = None
    CostPlus: Number = None


class Run(Part):
    pass


class SectionPrinting(Part):
    Runs: Many[Run] = ()


class SectionFile(Part):
    Name: Text = None
    OriginalName: Text = None
    UploadDateTimeUTC: DateOrDateTime = None


class SectionArtwork(Part):
    """A section's files, with a `FilePlaceholder` where none was uploaded yet."""

    Files: Many[SectionFile] = ()


class Section(Part):
    Key: Integer = None
    Name: Text = None
    Description: Text = None
    ImpositionWidth: Number = None
    ImpositionHeight: Number = None
    FinishedWidth: Number = None
    FinishedHeight: Number = None
    SpineWidth: Number = None
    Pages: Number = None
    SectionTypeTotalPages: Number = None
    Type: Text = None
    IsSubsequent: Boolean = None
    Status: Text = None
    Printing: One[SectionPrinting] = None
    Operations: Many[Operation] = ()
    Artwork: One[SectionArtwork] = None


class ArtworkFile(Part):
    FileName: Text = None
    FileOriginalName: Text = None
    FileUploadDateTimeUTC: DateOrDateTime = None


class JobProduct(Part):
    Status: Text = None
    CustomerExpectedDateUTC: DateOrDateTime = None
    ArtworkThumbnail: Text = None
    CostPrice: Number = None
    WholesalePrice: Number = None
    TotalSalePrice: Number = None
    Description: Text = None
    FinishedSize: Text = None
    FinishedWidth: Number = None
    FinishedHeight: Number = None
    SummedSpineWidth: Number = None
    Quantity: Number = None
    Kinds: Number = None
    HasAdvancedKinds: Boolean = None
    DueDateUTC: DateOrDateTime = None
    FactoryLocationKey: Integer = None
    FactoryLocationName: Text = None
    FactoryLocationDescription: Text = None
    Weight: Number = None
    Deliveries: Many[JobDelivery] = ()
    Sections: Many[Section] = ()
    Operations: Many[Operation] = ()
    JobArtwork: Many[ArtworkFile] = ()


class Job(Payload):
    OBJECT: ClassVar = "Job"
    KEYS: ClassVar = ("JobNumber",)
    FACTS: ClassVar = FactFields(
        customer=("Customer/Number",),
        customer_name=("Customer/Name",),
        reference=("PONum",),
        total=("Product/TotalSalePrice",),
        date=("AcceptedDateUTC",),
        due=("Product/DueDateUTC",),
    )

    Config: One[JobConfig] = None
    JobNumber: Text = also("JobNo")
    SeriesNumber: Text = None
    QQADKey: Integer = None
    IsPriority: Boolean = None
    NumberOfSections: Integer = None
    QuotedDateUTC: DateOrDateTime = None
    Workflow: Text = None
    AcceptedDateUTC: DateOrDateTime = None
    Title: Text = None
    JobType: Text = None
    ProductCode: Text = None
    PONum: Text = also("PONumber")
    CourierRef: Text = None
    Metadata: Many[MetadataField] = ()
    AcceptanceUserType: Text = None
    AcceptanceKey: Integer = None
    SpecialInstructions: Text = None
    HasSpecialInstructions: Boolean = None
    AccountManager: One[JobAccountManager] = None
    Customer: One[JobCustomer] = None
    Product: One[JobProduct] = None
    Deliveries: Many[JobDelivery] = ()
    Sections: Many[Section] = ()
    Operations: Many[Operation] = ()

    @property
    @override
    def status(self) -> str | None:
        return self.Product.Status if self.Product else None

    def subjects(self) -> Iterator[Subject]:
        yield from subject(Kind.JOB, key(self.JobNumber))
        if isinstance(self.Customer, JobCustomer):
            yield from subject(Kind.CUSTOMER, key(self.Customer.Number))
