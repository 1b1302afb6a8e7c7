"""Customers, their contacts and their addresses.

Fields: integrators' code (Customer, CustomerContact) and printIQ's inbound API (CustomerAddress).
"""

from collections.abc import Iterator
from typing import ClassVar

from events.facts import FactFields
from events.fields import also
from events.models.payload import Payload
from events.subjects import Kind, Subject, key, subject
from events.values import Boolean, Integer, Text


class Customer(Payload):
    OBJECT: ClassVar = "Customer"
    KEYS: ClassVar = ("Code",)
    FACTS: ClassVar = FactFields(customer=("Code",), customer_name=("Name",))

    ID: Integer = None
    Name: Text = None
    Code: Text = None
    Phone: Text = None
    Fax: Text = None
    Email: Text = None
    Website: Text = None
    Comment: Text = None
    Active: Boolean = None
    AddressLine1: Text = also("Line1", "Address1")
    City: Text = None
    State: Text = also("StateName")
    Postcode: Text = None
    Country: Text = None

    def subjects(self) -> Iterator[Subject]:
        yield from subject(Kind.CUSTOMER, key(self.Code, ID=self.ID))


class CustomerContact(Payload):
    OBJECT: ClassVar = "CustomerContact"
    KEYS: ClassVar = ("ContactKey", "Email")
    FACTS: ClassVar = FactFields(customer=("CustomerCode",), reference=("IntegrationID",))

    ContactKey: Integer = None
    IntegrationID: Text = None
    Title: Text = None
    FirstName: Text = None
    Surname: Text = None
    FullName: Text = None
    Email: Text = None
    Phone: Text = None
    Mobile: Text = None
    CustomerID: Integer = None
    CustomerCode: Text = None

    def subjects(self) -> Iterator[Subject]:
        yield from subject(Kind.CONTACT, key(self.ContactKey, email=self.Email))
        yield from subject(Kind.CUSTOMER, key(self.CustomerCode, ID=self.CustomerID))


class CustomerAddress(Payload):
    OBJECT: ClassVar = "CustomerAddress"
    KEYS: ClassVar = ("AddressKey",)
    FACTS: ClassVar = FactFields(customer=("CustomerCode",), reference=("IntegrationID",))

    AddressKey: Integer = None
    Type: Text = None
    Active: Boolean = None
    CustomerCode: Text = None
    CustomerID: Integer = None
    Name: Text = None
    Line1: Text = also("AddressLine1", "Address1")
    Line2: Text = also("AddressLine2", "Address2")
    Line3: Text = also("AddressLine3", "Address3")
    City: Text = None
    Country: Text = None
    PostCode: Text = None
    StateName: Text = also("State")
    IntegrationID: Text = None
    CanBlindShip: Boolean = None
    BlindShipDefaultAddress: Boolean = None
    UpdateAll: Boolean = None

    def subjects(self) -> Iterator[Subject]:
        code, name = key(self.CustomerCode), key(self.Name)
        yield from subject(
            Kind.ADDRESS, key(self.AddressKey, name=f"{code}/{name}" if code and name else None)
        )
        yield from subject(Kind.CUSTOMER, key(self.CustomerCode, ID=self.CustomerID))
