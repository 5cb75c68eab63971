// What a record is made of comes with the records: texts and addresses.
@_exported public import Net
@_exported public import Text
