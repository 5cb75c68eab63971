/// Walks through a page as a browser's tokenizer would through well-formed markup: which attributes there are, and what is
/// wrong.
struct XMLProbe {
    private(set) var attributes: Set<String> = []
    private(set) var fault: String?

    static let known: Set<String> = [
        "lang", "charset", "name", "content", "rel", "type", "href", "src", "defer", "class", "action",
        "method",
        "role", "value", "id", "placeholder", "aria-label", "maxlength", "autocomplete", "spellcheck",
        "start",
        "autocapitalize", "aria-invalid", "aria-describedby", "checked", "min", "max", "step", "for",
        "tabindex",
        "width", "height", "viewBox", "refX", "refY", "markerWidth", "markerHeight", "markerUnits", "orient",
        "d",
        "x", "y", "rx", "cx", "cy", "r", "data-host", "data-key", "aria-current", "text-anchor", "selected",
    ]

    private static let empty: Set<String> = ["meta", "link", "input"]

    init(_ page: String) { walk(page) }

    private mutating func walk(_ page: String) {
        var rest = Substring(page)
        if rest.hasPrefix("<!DOCTYPE html>") { rest = rest.dropFirst(15) }
        var open: [Substring] = []
        while let place = rest.firstIndex(of: "<") {
            if rest[..<place].contains(">") { return fault = "a > in a text" }
            rest = rest[rest.index(after: place)...]
            if rest.first == "/" {
                let name = rest.dropFirst().prefix { $0 != ">" }
                guard open.popLast() == name else { return fault = "</\(name)> ends something else" }
                rest = rest.dropFirst(name.count + 2)
                continue
            }
            let name = rest.prefix { $0.isLetter || $0.isNumber }
            guard !name.isEmpty else { return fault = "no tag: \(rest.prefix(20))" }
            rest = rest.dropFirst(name.count)
            while rest.first == " " {
                rest = rest.dropFirst()
                let attribute = rest.prefix { $0 != "=" && $0 != ">" && $0 != " " }
                attributes.insert(String(attribute))
                rest = rest.dropFirst(attribute.count)
                guard rest.hasPrefix("=\"") else {
                    return fault = "an attribute without a value: \(attribute)"
                }
                rest = rest.dropFirst(2)
                let value = rest.prefix { $0 != "\"" }
                if value.contains("<") { return fault = "a < in \(attribute)" }
                rest = rest.dropFirst(value.count + 1)
            }
            guard rest.first == ">" else { return fault = "a tag has no end: \(name)" }
            rest = rest.dropFirst()
            if !Self.empty.contains(String(name)) { open.append(name) }
        }
        if !open.isEmpty { fault = "not ended: \(open)" }
    }
}
