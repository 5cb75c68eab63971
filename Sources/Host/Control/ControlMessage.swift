import SystemCalls

/// What a client asks, one a connection, as one datagram; see `ControlMessage`.
public enum ControlRequest: Equatable, Sendable {
    /// How the daemon fares, as JSON text.
    case status
    /// Every record, as a file of NDJSON lines.
    case dump
    /// The records that have a greater change number than `after`, as NDJSON lines of any length.
    ///
    /// With `looks` what only a scan finds is looked for first, and all that was completed before is in the answer, as in
    /// a dump; without it the answer has what was taken in so far, and costs only what has changed.
    case changes(after: UInt32, looks: Bool)
    /// Remove records for good; or, in a dry run, report how many would go.
    case forget(ForgetFilter, isDryRun: Bool = false)

    /// The word that stands for it.
    public var verb: ControlVerb {
        switch self {
        case .status: .status
        case .dump: .dump
        case .changes: .changes
        case .forget: .forget
        }
    }
}

/// The words that a client can say, and who may say them.
///
/// | verb | root, the daemon's user | a member of the group `retinue` |
/// | --- | --- | --- |
/// | `status` | yes | yes |
/// | `dump` | yes | yes, to read |
/// | `changes` | yes | yes, to read |
/// | `forget` | yes | no |
public enum ControlVerb: String, Sendable, CaseIterable {
    case status, dump, changes, forget

    /// Whether only root and the daemon's user may say it.
    public var needsRoot: Bool { self == .forget }
}

/// Which records are forgotten: those to which everything that is named applies.
public struct ForgetFilter: Equatable, Sendable {
    /// The program's executable or script: an absolute path, which may be a pattern.
    public var program: String?
    /// The object's path, which may be a pattern.
    public var path: String?
    /// The workload of the program, which may be a pattern.
    public var workload: String?
    /// Records that were last seen this long ago or longer, nanoseconds.
    public var age: UInt64?

    /// Names what is forgotten.
    public init(
        program: String? = nil, path: String? = nil, workload: String? = nil, age: UInt64? = nil
    ) {
        self.program = program
        self.path = path
        self.workload = workload
        self.age = age
    }

    /// Whether it names nothing, and so would forget everything.
    public var isEmpty: Bool { program == nil && path == nil && workload == nil && age == nil }
}

/// How many records of one relation were forgotten.
public struct ForgottenCount: Equatable, Sendable {
    /// The word of a dump.
    public var relation: String
    /// How many.
    public var records: UInt64

    /// Makes a count.
    public init(relation: String, records: UInt64) {
        self.relation = relation
        self.records = records
    }
}

/// What the daemon answers; an answer that is an error is thrown instead.
public enum ControlReply: ~Copyable {
    /// UTF-8 JSON text.
    case status([UInt8])
    /// A complete file without a name, open for reading at its start.
    case dump(FileDescriptor)
    /// What has changed, where a datagram holds it; else it comes as a file, as a dump.
    case changes([UInt8])
    /// How many records were forgotten, or would be, by the word of their relation.
    case forgotten([ForgottenCount])
}

/// The datagrams of protocol 2.
///
/// A request is `retinue-control/2 VERB`, then for `forget` fields `KEY=VALUE` with a NUL byte before each (`program`,
/// `path`, `workload`, `age` in nanoseconds, `dry-run=yes` where nothing shall go), and for `changes` `after=NUMBER` and, where a
/// scan shall go before, `look=yes`. An answer is a line, `retinue-control/2 ok` or `retinue-control/2 error`,
/// then a sentence (error), JSON text (status), lines (changes) or `RELATION=NUMBER` for each relation (forget). What may be long comes as a descriptor, of a file
/// that the client reads at its leisure: every dump, and a status or changes that no datagram holds. So an answer is one call
/// that never waits, however large it is and however slow the client.
///
/// The number is the protocol's version. It changes when an older end would misunderstand, and each end names the
/// other's in a sentence. Protocol 1 had no such line: its requests are the bare words `status` and `dump`.
public enum ControlMessage {
    /// The version that this code speaks.
    public static let version = 2
    /// Longest datagram of an answer. One that the default socket buffer (`net.core.wmem_default`) holds several
    /// times over, so that sending the only answer of a connection never waits.
    static let limit = 60 * 1024
    /// Longest request that is read; anything longer is no request. Room for three paths of 4,095 bytes.
    static let requestLimit = 16 * 1024

    static let name = "retinue-control/"
    static var start: String { name + String(version) }
    static var success: [UInt8] { Array("\(start) ok\n".utf8) }
    static var failure: [UInt8] { Array("\(start) error\n".utf8) }
    /// The first line of protocol 1, for clients that speak only that.
    static let oldFailure: [UInt8] = Array("error\n".utf8)
    static let oldSuccess: [UInt8] = Array("ok\n".utf8)

    /// The version that a datagram names; `nil` if it names none.
    static func version(of bytes: some Collection<UInt8>) -> Int? {
        guard bytes.starts(with: name.utf8) else { return nil }
        let digits = bytes.dropFirst(name.utf8.count).prefix { (0x30...0x39).contains($0) }
        guard digits.count <= 9 else { return nil }
        return Int(String(decoding: digits, as: UTF8.self))
    }

    /// Why bytes are no request.
    public enum Objection: Error, Equatable, Sendable {
        /// A word of protocol 1.
        case oldProtocol
        /// Another version of the protocol.
        case otherVersion(Int)
        /// A verb that is not known, or no request at all.
        case unknown
        /// A field that is not known, is named twice or holds nothing that it can.
        case badField
        /// A `forget` of everything.
        case nothingNamed

        /// The sentence that the client gets.
        public var sentence: String {
            switch self {
            case .oldProtocol:
                "retinued \(retinueVersion) speaks version \(version) of the control protocol and this retinue "
                    + "version 1; use the retinue that belongs to the daemon"
            case .otherVersion(let other):
                "retinued \(retinueVersion) speaks version \(version) of the control protocol and this retinue "
                    + "version \(other); use programs of one version"
            case .unknown:
                "an unknown request; retinued \(retinueVersion) knows "
                    + ControlVerb.allCases.map(\.rawValue).joined(separator: ", ")
            case .badField: "a request with a field that is not understood"
            case .nothingNamed:
                "forget needs a program, a path, a workload or an age: it never forgets everything"
            }
        }
    }

    /// Puts a request together.
    public static func encode(_ request: ControlRequest) -> [UInt8] {
        var text = "\(start) \(request.verb.rawValue)"
        if case .forget(let filter, let isDryRun) = request {
            if let program = filter.program { text += "\0program=\(program)" }
            if let path = filter.path { text += "\0path=\(path)" }
            if let workload = filter.workload { text += "\0workload=\(workload)" }
            if let age = filter.age { text += "\0age=\(age)" }
            if isDryRun { text += "\0dry-run=yes" }
        }
        if case .changes(let after, let looks) = request {
            text += "\0after=\(after)"
            if looks { text += "\0look=yes" }
        }
        return Array(text.utf8)
    }

    /// Takes a request apart.
    public static func decode(_ bytes: ArraySlice<UInt8>) throws(Objection) -> ControlRequest {
        if bytes.elementsEqual("status".utf8) || bytes.elementsEqual("dump".utf8) { throw .oldProtocol }
        guard let version = version(of: bytes) else { throw .unknown }
        guard version == Self.version else { throw .otherVersion(version) }
        let parts = bytes.split(separator: 0, omittingEmptySubsequences: false)
        let head = parts[0].dropFirst(start.utf8.count)
        let verb = ControlVerb.allCases.first { head.elementsEqual(" \($0.rawValue)".utf8) }
        let fields = parts.dropFirst()
        switch verb {
        case .status where fields.isEmpty: return .status
        case .dump where fields.isEmpty: return .dump
        case .changes:
            let looks = fields.last?.elementsEqual("look=yes".utf8) ?? false
            let start = "after="
            guard fields.count == (looks ? 2 : 1), let field = fields.first, field.starts(with: start.utf8),
                let after = UInt32(String(decoding: field.dropFirst(start.utf8.count), as: UTF8.self))
            else { throw .badField }
            return .changes(after: after, looks: looks)
        case .forget:
            var fields = Array(fields)
            let dryRun = fields.firstIndex { $0.elementsEqual("dry-run=yes".utf8) }
            if let dryRun { fields.remove(at: dryRun) }
            return .forget(try filter(fields), isDryRun: dryRun != nil)
        default: throw .unknown
        }
    }

    private static func filter(_ fields: [ArraySlice<UInt8>]) throws(Objection) -> ForgetFilter {
        var filter = ForgetFilter()
        for field in fields {
            guard let equals = field.firstIndex(of: UInt8(ascii: "=")),
                let value = String(validating: field[(equals + 1)...], as: UTF8.self), !value.isEmpty
            else { throw .badField }
            switch String(decoding: field[..<equals], as: UTF8.self) {
            case "program" where filter.program == nil: filter.program = value
            case "path" where filter.path == nil: filter.path = value
            case "workload" where filter.workload == nil: filter.workload = value
            case "age" where filter.age == nil:
                guard let age = UInt64(value) else { throw .badField }
                filter.age = age
            default: throw .badField
            }
        }
        guard !filter.isEmpty else { throw .nothingNamed }
        return filter
    }
}
