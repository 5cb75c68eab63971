import Records

/// Why a page of the map cannot be shown.
package struct MapProblem: Error, Equatable, Sendable {
    /// The HTTP status code.
    package var status: Int
    /// A sentence.
    package var message: String
    /// Names that may have been meant.
    package var choices: [String]

    /// Makes one.
    package init(_ status: Int, _ message: String, choices: [String] = []) {
        self.status = status
        self.message = message
        self.choices = choices
    }
}

/// What a page of the map shows: all of it stands in its address, so that a reload and whoever gets the address see the same.
package struct MapState: Equatable, Sendable {
    /// A box that stands where somebody put it, pixels of the picture.
    package struct Pin: Equatable, Sendable {
        var key: String
        var x: Int
        var y: Int
    }

    /// Words of a search.
    package var search = ""
    /// Results that come before those shown.
    package var offset = 0
    /// The program whose group is shown.
    package var program: String?
    /// An expression: what is marked.
    package var find = ""
    /// An expression: what is left out.
    package var hide = ""
    /// Keys of boxes that are open though they would not be.
    package var open: [String] = []
    /// Keys of boxes that are closed though they would not be.
    package var closed: [String] = []
    /// The key of the box of which more is said.
    package var selected: String?
    /// The second until which dependencies are shown, since 1970; `nil`: all.
    package var until: UInt64?
    /// The second since which it is asked what has changed.
    package var since: UInt64?
    /// Whether only what has changed since then is shown.
    package var onlyChanged = false
    /// The id of the host to which the selected box would move.
    package var destination: String?
    /// Whether files that are copied are shown too.
    package var allFiles = false
    /// Boxes that do not stand where the layout puts them.
    package var pins: [Pin] = []

    /// Of which group nothing is said.
    package init() {}

    /// Reads a query, percent-decoded.
    package init(_ query: [(name: [UInt8], value: [UInt8])]) throws(MapProblem) {
        guard query.count <= 256 else { throw MapProblem(400, "the address has more than 256 parameters") }
        var seen: Set<String> = []
        for (name, value) in query {
            guard let name = String(validating: name, as: UTF8.self), Self.names.contains(name) else {
                throw MapProblem(
                    400, "the address has a parameter that is none of: \(Self.names.joined(separator: ", "))")
            }
            guard let value = String(validating: value, as: UTF8.self), !value.utf8.contains(0) else {
                throw MapProblem(400, "\(name) is not UTF-8; bytes that are not are written \\xff")
            }
            guard value.utf8.count <= Self.longest else {
                throw MapProblem(400, "\(name) is longer than \(Self.longest) bytes")
            }
            // A form sends what was left empty as well.
            guard !value.isEmpty else { continue }
            guard Self.repeated.contains(name) || seen.insert(name).inserted else {
                throw MapProblem(400, "\(name) stands twice")
            }
            try take(name, value)
        }
        if onlyChanged, since == nil { onlyChanged = false }
    }

    /// Bytes of a value: a path of 4096, its escapes, and its host.
    static let longest = 6000
    private static let repeated: Set<String> = ["open", "close", "pin"]
    private static let names = [
        "q", "offset", "program", "find", "hide", "open", "close", "sel", "until", "since", "changed", "to",
        "files", "pin",
    ]

    private mutating func take(_ name: String, _ value: String) throws(MapProblem) {
        switch name {
        case "q": search = value
        case "offset": offset = Int(try Self.number(name, value, most: 1_000_000_000))
        case "program": program = value
        case "find": find = value
        case "hide": hide = value
        case "open": if !open.contains(value) { open.append(value) }
        case "close": if !closed.contains(value) { closed.append(value) }
        case "sel": selected = value
        case "until": until = try Self.moment(name, value)
        case "since": since = try Self.moment(name, value)
        case "changed": onlyChanged = value == "1"
        case "to": destination = value
        case "files": allFiles = value == "all"
        default:
            guard let pin = Pin(value) else {
                throw MapProblem(400, "pin is X,Y,NAME, both from \(-Pin.most) to \(Pin.most)")
            }
            pins.removeAll { $0.key == pin.key }
            pins.append(pin)
        }
    }

    private static func number(_ name: String, _ text: String, most: UInt64) throws(MapProblem) -> UInt64 {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt64(text), number <= most
        else { throw MapProblem(400, "\(name) is a number from 0 to \(most)") }
        return number
    }

    /// Seconds since 1970, or a time.
    private static func moment(_ name: String, _ text: String) throws(MapProblem) -> UInt64 {
        if let time = Timestamp.parse(Array(text.utf8)) { return time / 1_000_000_000 }
        guard let seconds = try? number(name, text, most: lastSecond) else {
            throw MapProblem(400, "\(name) is a time like 2026-11-21T02:00:00Z, or seconds since 1970")
        }
        return seconds
    }

    /// The last second that nanoseconds of 64 bits hold whole.
    private static let lastSecond = UInt64.max / 1_000_000_000 - 1

    /// Names and values, always in the same order.
    var items: [(name: StaticString, value: String)] {
        var items: [(StaticString, String)] = []
        func add(_ name: StaticString, _ value: String?) {
            if let value, !value.isEmpty { items.append((name, value)) }
        }
        add("q", search)
        add("offset", offset == 0 ? nil : "\(offset)")
        add("program", program)
        add("find", find)
        add("hide", hide)
        add("until", until.map { "\($0)" })
        add("since", since.map { "\($0)" })
        add("changed", onlyChanged ? "1" : nil)
        add("files", allFiles ? "all" : nil)
        for key in open { add("open", key) }
        for key in closed { add("close", key) }
        for pin in pins { add("pin", "\(pin.x),\(pin.y),\(pin.key)") }
        add("sel", selected)
        add("to", destination)
        return items
    }

    /// The query of the address, relative to any page of the map.
    package var address: String {
        "?" + items.map { "\($0.name)=\(QueryText.encoded($0.value))" }.joined(separator: "&")
    }

    /// The addresses of the same with a box selected, and no destination asked about: of hundreds of boxes of a page, which
    /// differ in the end alone.
    struct Selecting {
        private let begin: String

        fileprivate init(_ state: MapState) {
            let address = state.with { state in
                state.selected = nil
                state.destination = nil
            }.address
            begin = address == "?" ? address : address + "&"
        }

        func address(_ key: String) -> String { begin + "sel=" + QueryText.encoded(key) }
    }

    var selecting: Selecting { Selecting(self) }

    /// The same with something else.
    func with(_ change: (inout MapState) -> Void) -> MapState {
        var state = self
        change(&state)
        return state
    }

    /// The same with a box opened or closed.
    func setting(_ key: String, isOpen: Bool) -> MapState {
        with { state in
            state.open.removeAll { $0 == key }
            state.closed.removeAll { $0 == key }
            if isOpen { state.open.append(key) } else { state.closed.append(key) }
        }
    }
}

extension MapState.Pin {
    /// No picture is larger.
    static let most = 100_000

    /// `X,Y,NAME`
    init?(_ text: String) {
        let parts = text.split(separator: ",", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let x = Int(parts[0]), let y = Int(parts[1]), !parts[2].isEmpty,
            (-Self.most...Self.most).contains(x), (-Self.most...Self.most).contains(y)
        else { return nil }
        self.init(key: String(parts[2]), x: x, y: y)
    }
}
