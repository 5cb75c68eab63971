package import Text

extension JSONWriter {
    /// Writes a tree of values as it is, keys in their order.
    package mutating func value(_ value: JSONValue) {
        switch value {
        case .null: null()
        case .boolean(let flag): self.value(flag: flag)
        case .integer(let number): self.value(integer: number)
        case .double(let number): self.value(decimal: number)
        case .string(let text): self.value(text: text)
        case .array(let elements):
            beginArray()
            for element in elements { self.value(element) }
            endArray()
        case .object(let members):
            beginObject()
            for member in members {
                key(text: member.key)
                self.value(member.value)
            }
            endObject()
        }
    }
}
