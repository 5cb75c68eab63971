import Records

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
    /// The file's machine was not named, and no record tells its address.
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
            "no accept or connect tells the address of its machine; give it: ADDRESS=FILE"
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
