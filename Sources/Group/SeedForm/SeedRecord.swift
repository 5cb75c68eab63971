import Records

/// One of the five calls that the published method records.
public enum SeedCall: UInt8, Sendable, CaseIterable {
    case open, fork, exec, accept, connect
}

/// How a file was opened.
public enum SeedAccess: UInt8, Sendable, CaseIterable {
    /// `r`: to read only.
    case read
    /// `rw`: to write as well, or to write only.
    case readWrite
}

/// One call as it was recorded on one machine: what a line of the seed form holds.
///
/// This form owns its path. Building a list from millions of lines does not pass through it; see
/// ``DependencyListBuilder``.
public struct SeedRecord: Hashable, Sendable {
    /// The call and what was recorded of it. A pid is that of the process at this moment: it may be
    /// another's later.
    public enum Event: Hashable, Sendable {
        /// A process opened a file.
        case open(pid: UInt32, path: [UInt8], access: SeedAccess)
        /// A process made another.
        case fork(parent: UInt32, child: UInt32)
        /// A process became the program at a path.
        case exec(pid: UInt32, path: [UInt8])
        /// A process took a connection.
        case accept(pid: UInt32, server: Endpoint, client: Endpoint)
        /// A process made a connection.
        case connect(pid: UInt32, client: Endpoint, server: Endpoint)
    }

    /// The largest pid (`pid_t` has a sign).
    public static let largestPID = UInt32(Int32.max)
    /// The largest time: the year 2262.
    public static let largestTime = UInt64(Int64.max)
    /// Bytes of the longest record, without the end of the line.
    public static let longest = 65_536

    /// What happened.
    public var event: Event
    /// When: nanoseconds since 1970; `nil` where it was not recorded.
    public var time: UInt64?

    /// Makes a record.
    public init(_ event: Event, time: UInt64? = nil) {
        self.event = event
        self.time = time
    }
}

extension SeedRecord {
    /// The line that may stand first in a file, without its newline.
    public static let header = "call,first,second,third,fourth,fifth,time"

    /// Appends the record as a line, its newline included.
    public func append(to out: inout [UInt8]) {
        switch event {
        case .open(let pid, let path, let access):
            out.append("open", pid)
            out.append(path: path)
            out.append(contentsOf: (access == .read ? ",r" : ",rw").utf8)
        case .fork(let parent, let child):
            out.append("fork", parent)
            out.append(contentsOf: ",\(child)".utf8)
        case .exec(let pid, let path):
            out.append("exec", pid)
            out.append(path: path)
        case .accept(let pid, let server, let client):
            out.append(contentsOf: "accept,\(server.fields),\(pid),\(client.fields)".utf8)
        case .connect(let pid, let client, let server):
            out.append(contentsOf: "connect,\(client.fields),\(pid),\(server.fields)".utf8)
        }
        if let time { out.append(contentsOf: ",\(time)".utf8) }
        out.append(UInt8(ascii: "\n"))
    }

    /// Reads a whole file of records.
    ///
    /// - Throws: ``SeedError/badLine(_:)`` for the first line that is no record.
    public static func read(_ bytes: [UInt8]) throws(SeedError) -> [SeedRecord] {
        var records: [SeedRecord] = []
        var parser = SeedParser()
        var failure: BadLine?
        bytes.withUnsafeBytes { bytes in
            var offset = 0
            while true {
                switch parser.next(bytes, at: &offset, isEnd: true) {
                case .more: return
                case .record: records.append(SeedRecord(parser.line))
                case .bad(let bad):
                    failure = bad
                    return
                }
            }
        }
        if let failure { throw .badLine(failure) }
        return records
    }

    init(_ line: borrowing SeedLine) {
        switch line.call {
        case .open: event = .open(pid: line.pid, path: Array(line.path), access: line.access)
        case .fork: event = .fork(parent: line.pid, child: line.child)
        case .exec: event = .exec(pid: line.pid, path: Array(line.path))
        case .accept: event = .accept(pid: line.pid, server: line.server, client: line.client)
        case .connect: event = .connect(pid: line.pid, client: line.client, server: line.server)
        }
        time = line.time == SeedLine.noTime ? nil : line.time
    }
}

extension Endpoint {
    fileprivate var fields: String { "\(address),\(port)" }
}

extension [UInt8] {
    fileprivate mutating func append(_ call: String, _ pid: UInt32) {
        append(contentsOf: "\(call),\(pid)".utf8)
    }

    fileprivate mutating func append(path: [UInt8]) {
        append(UInt8(ascii: ","))
        path.withUnsafeBytes { CSVField.append($0, to: &self) }
    }
}

/// Why a line is no record.
public enum SeedFault: Hashable, Sendable {
    /// The first field is none of the five words.
    case unknownCall
    /// There are more or fewer fields than the call has.
    case wrongFieldCount(SeedCall)
    /// A pid is no whole number from 0 to 2147483647.
    case badPID
    /// A path has no bytes.
    case emptyPath
    /// The access is not one of the known words.
    case badAccess
    /// An address is neither IPv4 nor IPv6.
    case badAddress
    /// A port is no whole number from 0 to 65535.
    case badPort
    /// A time is no whole number of nanoseconds from 0 to 9223372036854775807.
    case badTime
    /// A quote stands inside a field that does not begin with one.
    case quoteInside
    /// Something stands between a closing quote and the end of its field.
    case textBehindQuote
    /// A quoted field goes on to the end of the file.
    case quoteNotClosed
    /// A carriage return stands in a field without quotes.
    case carriageReturn
    /// The record is longer than ``SeedRecord/longest``.
    case tooLong
}

extension SeedFault: CustomStringConvertible {
    /// What is wrong, as part of a sentence.
    public var description: String {
        switch self {
        case .unknownCall: "it begins with none of open, fork, exec, accept and connect"
        case .wrongFieldCount(let call): "a record of \(call) is \(call.form)"
        case .badPID: "a pid is a number from 0 to \(SeedRecord.largestPID)"
        case .emptyPath: "the path is empty"
        case .badAccess: "the access is r or rw (or O_RDONLY, O_WRONLY, O_RDWR)"
        case .badAddress: "an address is IPv4 or IPv6"
        case .badPort: "a port is a number from 0 to 65535"
        case .badTime: "a time is a number of nanoseconds since 1970"
        case .quoteInside: "a field that holds a quote has to be quoted"
        case .textBehindQuote: "something follows a closing quote"
        case .quoteNotClosed: "a quote is not closed"
        case .carriageReturn: "a field that holds a carriage return has to be quoted"
        case .tooLong: "it is longer than \(SeedRecord.longest) bytes"
        }
    }
}

extension SeedCall {
    /// The fields of its record.
    var form: String {
        switch self {
        case .open: "open,PID,PATH,ACCESS[,TIME]"
        case .fork: "fork,PARENT,CHILD[,TIME]"
        case .exec: "exec,PID,PATH[,TIME]"
        case .accept: "accept,SERVER_ADDRESS,SERVER_PORT,PID,CLIENT_ADDRESS,CLIENT_PORT[,TIME]"
        case .connect: "connect,CLIENT_ADDRESS,CLIENT_PORT,PID,SERVER_ADDRESS,SERVER_PORT[,TIME]"
        }
    }
}

/// A line that is no record.
public struct BadLine: Hashable, Sendable, CustomStringConvertible {
    /// The number of the line on which it begins; the first is 1.
    public var line: UInt64
    /// What is wrong.
    public var fault: SeedFault
    /// Whether the file ends in this line, without a newline: it may have been cut off.
    public var isCutOff: Bool

    /// The line and what is wrong with it.
    public var description: String {
        "line \(line): \(fault)" + (isCutOff ? "; the file ends in this line, it may be cut off" : "")
    }
}

/// Why records cannot be read, or no list be built from them.
public enum SeedError: Error, Hashable, Sendable {
    /// A line is no record.
    case badLine(BadLine)
    /// The file's machine was not named, and no record has its address.
    case noAddress
    /// The file's machine was not named, and its own side of connections has more than one address. The
    /// line is the first that has another one.
    case severalAddresses(line: UInt64, NetworkAddress, NetworkAddress)
    /// Another file, which does not stand directly before, is of the same machine.
    case machineAgain(NetworkAddress)
    /// All different names together have more than 4 GiB.
    case tooManyNames
}

extension SeedError: CustomStringConvertible {
    /// What is wrong and what to do.
    public var description: String {
        switch self {
        case .badLine(let bad): "\(bad)"
        case .noAddress:
            "no accept or connect has the address of its machine; give it: ADDRESS=FILE"
        case .severalAddresses(let line, let one, let other):
            "line \(line): its machine has the address \(one) and here \(other); say which names it: "
                + "ADDRESS=FILE"
        case .machineAgain(let address):
            "it is of the machine \(address), as an earlier file is; give the files of one machine one "
                + "behind the other, each as \(address)=FILE"
        case .tooManyNames: "more than 4 GiB of different names"
        }
    }
}
