"""Invoices, as in the responses of printIQ's API, with the fields of an integrator's copy of them."""

from collections.abc import Iterator
from typing import ClassVar, override

from events.facts import FactFields
from events.fields import Many, Part, also, described
from events.models.payload import Payload
from events.subjects import Kind, Subject, key, subject
from events.values import Boolean, DateOrDateTime, Integer, Number, Text


class InvoiceDetail(Part):
    LineNumber: Integer = None
    IDTID: Integer = None
    IDTDescription: Text = None
    IDTQuantity: Number = None
    IDTItemCode: Text = None
    IDTPrice_ForeignAmount: Number = described(
        "Of the whole line, not of a piece, without tax, in `CurCode`. printIQ does not document it."
    )
    IDTGSTCode: Text = None
    IDTGSTName: Text = None
    IDTGSTRate: Number = described("A fraction (0.15) or in percent (15): printIQ does not document which.")
    IGLACode: Text = None
    IGLAName: Text = None
    QQADKey: Integer = None
    QQDKey: Integer = None
    SOKey: Integer = None
    SOIKeys: Many[Integer] = ()
    cusName: Text = None
    cusID: Integer = None
    adrID: Integer = None
    POKey: Integer = also("POKey", own="_POKey")
    POKeys: Many[Integer] = ()
    FDKey: Integer = None
    IPOLKey: Integer = None
    Actual: Number = None
    Quoted: Number = None
    BasePrice: Number = None
    IDTPriceAdjustment_ForeignAmount: Number = None
    IDTFreightPrice: Number = None
    IDTFreightPrice_ForeignAmount: Number = None
    IDTOriginalCost: Number = None
    IDTOriginalFreightCost: Number = None
    CommissionRate: Number = None
    CommissionAmount: Number = None
    ExistingAmountPaid: Number = None
    IDTGSTDisplayRate: Number = None
    IDTKinds: Integer = None
    IMKey: Integer = None
    ChargeType: Integer = None
    RecordID: Integer = None
    IICTKey: Integer = None
    IsPaperLine: Boolean = None
    IsBalanceLine: Boolean = None
    IsCampaign: Boolean = None
    IsValid: Boolean = None
    LineIsDeposit: Boolean = None
    IGLASuppressConsolidation: Boolean = None
    QuotedSOIKeys: Many[Integer] = ()
    TrackingCode: Text = None
    TrackingCode2: Text = None
    IIDRefNo: Text = None
    IIDTitle: Text = None
    QQDSName: Text = None
    CampaignCode: Text = None
    ProductTaxCode: Text = None
    ApplicationPath: Text = None
    ProdStatusID: Text = None
    InvoiceCusCode: Text = None


class InvoiceSummaryDetail(Part):
    """One printed line; `LineNumber` is not unique."""

    LineNumber: Integer = None
    Description: Text = None
    Quantity: Number = None
    Price_ExTax: Number = described("Of the line, without tax.")
    Price_Tax: Number = described("The tax on the line.")
    Price_IncTax: Number = described("Of the line, with tax.")
    JobNumber: Text = also("JobNo")
    JobTitle: Text = None
    PONumber: Text = also("PONum")
    QuoteNumber: Text = also("QuoteNo")
    QQADKey: Integer = None
    SOKey: Integer = None
    IsCreditCardSurcharge: Boolean = None


class Invoice(Payload):
    OBJECT: ClassVar = "Invoice"
    KEYS: ClassVar = ("INVInvoiceNumber", "INVID")
    FACTS: ClassVar = FactFields(
        customer=("BillingCusCode",),
        customer_name=("BillingCusName",),
        reference=("INVInvoiceReference",),
        total=("INVInvoiceTotal",),
        currency=("CurCode",),
        date=("INVInvoiceDate",),
        due=("INVInvoiceDueDate",),
    )

    INVID: Integer = None
    INVInvoiceNumber: Text = None
    INVInvoiceDate: DateOrDateTime = described(
        "The calendar day as written counts: do not move it to another zone."
    )
    INVInvoiceDate_String: Text = None
    INVInvoiceDueDate: DateOrDateTime = described(
        "The calendar day as written counts: do not move it to another zone."
    )
    INVInvoiceDueDate_String: Text = None
    INVDateExported: DateOrDateTime = None
    INVDateExported_String: Text = None
    BillingCusID: Integer = None
    BillingCusCode: Text = None
    BillingCusName: Text = None
    BillingCusEmail: Text = None
    BillingCusPhone: Text = None
    BillingSiteID: Integer = None
    INVInvoiceReference: Text = None
    QQAKey: Integer = None
    QQADKey: Integer = None
    IsCreditNote: Boolean = described("A credit note: its amounts are expected to be negative.")
    INVInvoiceSubTotal: Number = described("The whole invoice without tax, in `CurCode`.")
    INVInvoiceGST: Number = described(
        "The tax on the whole invoice, in `CurCode`; it may have more than two decimals."
    )
    INVInvoiceTotal: Number = described("The whole invoice with tax, in `CurCode`.")
    INVAmountPaid: Number = described("What is paid already, in `CurCode`.")
    InvoiceRemaining: Text = described("What is left to pay, or whether anything is: both are seen.")
    CurCode: Text = described("The currency of the amounts, by its ISO 4217 code.")
    CurRate: Number = described("The exchange rate of `CurCode`; 1 in the site's own currency.")
    INVReference1: Text = None
    INVReference2: Text = None
    INVReference3: Text = None
    INVReference4: Text = None
    INVReference5: Text = None
    INVReference6: Text = None
    INVReference7: Text = None
    INVReference8: Text = None
    INVReference9: Text = None
    INVReference10: Text = None
    INVReference11: Text = None
    INVReference12: Text = None
    INVReference13: Text = None
    INVReference14: Text = None
    INVReference15: Text = None
    INVReference16: Text = None
    INVReference17: Text = None
    INVReference18: Text = None
    INVReference19: Text = None
    INVReference20: Text = None
    INVReference21: Text = None
    INVReference22: Text = None
    INVReference23: Text = None
    INVReference24: Text = None
    INVReference25: Text = None
    INVReference26: Text = None
    INVReference27: Text = None
    INVReference28: Text = None
    INVReference29: Text = None
    INVReference30: Text = None
    INVNotes: Text = None
    TaxIntegrationError: Text = None
    INVInvoiceSubTotal_ForeignAmount: Number = None
    INVInvoiceTotal_ForeignAmount: Number = None
    INVInvoiceGST_ForeignAmount: Number = None
    CurDate: DateOrDateTime = None
    INVDescription: Text = None
    INVSupplierSiteName: Text = None
    HistoryDescription: Text = None
    IISID: Integer = None
    INVID_IntersiteInvoice: Integer = None
    INVID_CreditedFrom: Integer = None
    INVID_ConsolidatedTo: Integer = None
    INVSupplierSiteID: Integer = None
    CurrencyOverriddenFromScreen: Boolean = None
    INVInternallyInvoiced: Boolean = None
    INVIsSalesInvoice: Boolean = None
    CurForeignFixed: Boolean = None
    INVIsCreditTopUp: Boolean = None
    IsReinvoice: Boolean = None
    GatewayTransactionAwaitingResponse: Boolean = None
    INVExcludeFromAccountStatusCheck: Boolean = None
    INVCanExport: Boolean = None
    INVIsReadOnly: Boolean = None
    INVHasSupplierLines: Boolean = None
    CanConsolidate: Boolean = None
    InvoiceDetails: Many[InvoiceDetail] = ()
    InvoiceSummaryDetails: Many[InvoiceSummaryDetail] = ()

    @override
    def references(self) -> Iterator[str]:
        yield from super().references()
        for line in self.InvoiceSummaryDetails:
            if isinstance(line, InvoiceSummaryDetail) and (number := key(line.PONumber)):
                yield number

    def subjects(self) -> Iterator[Subject]:
        yield from subject(Kind.INVOICE, key(self.INVInvoiceNumber, INVID=self.INVID))
        yield from subject(Kind.CUSTOMER, key(self.BillingCusCode, ID=self.BillingCusID))
        for line in self.InvoiceSummaryDetails:
            if isinstance(line, InvoiceSummaryDetail):
                yield from subject(Kind.JOB, key(line.JobNumber))
                yield from subject(Kind.QUOTE, key(line.QuoteNumber))
