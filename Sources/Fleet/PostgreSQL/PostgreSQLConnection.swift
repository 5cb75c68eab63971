import CPq
import Glibc

/// A connection to a server that speaks PostgreSQL's protocol, by libpq.
///
/// TLS is as the connection string says it: `sslmode=verify-full sslrootcert=… sslcert=… sslkey=…`
/// (https://www.postgresql.org/docs/current/libpq-connect.html). For one thread at a time.
public final class PostgreSQLConnection {
    private let connection: OpaquePointer
    /// The names of statements that the server has planned.
    private var prepared: [String: String] = [:]

    /// Connects (the C function is `PQconnectdb`).
    ///
    /// - Parameter conninfo: a URI (`postgresql://…`) or `key=value` words.
    public init(_ conninfo: String) throws(PostgreSQLError) {
        guard let connection = PQconnectdb(conninfo) else { throw .unreachable("no memory for a connection") }
        guard PQstatus(connection) == CONNECTION_OK else {
            let message = Self.message(connection)
            PQfinish(connection)
            throw .unreachable(message)
        }
        // What the server only remarks (an object that is there already) nobody has asked for.
        _ = PQsetNoticeProcessor(connection, { _, _ in }, nil)
        self.connection = connection
    }

    deinit { PQfinish(connection) }

    /// What a connection string says, by libpq's names (`PQconninfoParse`).
    public static func options(
        of conninfo: String
    ) throws(PostgreSQLError) -> [(name: String, value: String)] {
        var message: UnsafeMutablePointer<CChar>?
        guard let all = PQconninfoParse(conninfo, &message) else {
            defer { PQfreemem(message) }
            throw .unreachable(line(message))
        }
        defer { PQconninfoFree(all) }
        var options: [(name: String, value: String)] = []
        var place = all
        while let name = place.pointee.keyword {
            if let value = place.pointee.val {
                options.append((String(cString: name), String(cString: value)))
            }
            place += 1
        }
        return options
    }

    /// Runs statements without parameters, of which no rows are wanted.
    public func execute(_ statements: String) throws(PostgreSQLError) {
        PQclear(try check(PQexec(connection, statements)))
    }

    /// Runs one statement (`PQexecParams`); the rows come in the binary form.
    ///
    /// - Parameter parameters: `$1` and on, as text; arrays in braces. What type each has, a cast in the statement says.
    @discardableResult
    public func query(_ statement: String, _ parameters: [String?] = []) throws(PostgreSQLError)
        -> PostgreSQLRows
    {
        try query(statement, parameters, name: nil)
    }

    /// Runs one statement that will come again: the server plans it once (`PQprepare`, `PQexecPrepared`).
    public func queryAgain(_ statement: String, _ parameters: [String?] = []) throws(PostgreSQLError)
        -> PostgreSQLRows
    {
        let name: String
        if let known = prepared[statement] {
            name = known
        } else {
            name = "retinue\(prepared.count)"
            PQclear(try check(PQprepare(connection, name, statement, 0, nil)))
            prepared[statement] = name
        }
        return try query(statement, parameters, name: name)
    }

    private func query(
        _ statement: String, _ parameters: [String?], name: String?
    ) throws(PostgreSQLError) -> PostgreSQLRows {
        var values = parameters.map { $0.map { strdup($0) } ?? nil }
        defer { for value in values { free(value) } }
        let result = values.withUnsafeMutableBufferPointer { values in
            values.withMemoryRebound(to: UnsafePointer<CChar>?.self) { values in
                if let name {
                    PQexecPrepared(
                        connection, name, Int32(values.count), values.baseAddress, nil, nil, 1)
                } else {
                    PQexecParams(
                        connection, statement, Int32(values.count), nil, values.baseAddress, nil, nil, 1)
                }
            }
        }
        return PostgreSQLRows(try check(result))
    }

    /// Runs `COPY … FROM STDIN (FORMAT binary)`; what `body` throws ends it, and the server forgets it.
    ///
    /// - Parameter body: is given a writer for the rows.
    public func copy(
        _ statement: String, _ body: (inout BinaryCopy) throws(PostgreSQLError) -> Void
    ) throws(PostgreSQLError) {
        guard let begun = PQexec(connection, statement) else { throw .unreachable(Self.message(connection)) }
        guard PQresultStatus(begun) == PGRES_COPY_IN else {
            PQclear(try check(begun))
            throw .unexpected("no COPY begins")
        }
        PQclear(begun)
        var copy = BinaryCopy { [connection] bytes throws(PostgreSQLError) in
            let sent = bytes.withUnsafeBytes { bytes in
                PQputCopyData(
                    connection, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(bytes.count))
            }
            guard sent == 1 else { throw Self.failure(of: connection) }
        }
        do throws(PostgreSQLError) {
            try body(&copy)
            try copy.finish()
        } catch {
            _ = PQputCopyEnd(connection, "given up")
            // The server's own reason is the better one.
            if let result = PQgetResult(connection) { PQclear(try check(result)) }
            throw error
        }
        guard PQputCopyEnd(connection, nil) == 1 else { throw Self.failure(of: connection) }
        while let result = PQgetResult(connection) { PQclear(try check(result)) }
    }

    /// Runs statements as one transaction.
    public func transaction(_ body: () throws(PostgreSQLError) -> Void) throws(PostgreSQLError) {
        try execute("BEGIN")
        do throws(PostgreSQLError) {
            try body()
        } catch {
            try? execute("ROLLBACK")
            throw error
        }
        try execute("COMMIT")
    }

    private func check(_ result: OpaquePointer?) throws(PostgreSQLError) -> OpaquePointer {
        guard let result else { throw Self.failure(of: connection) }
        switch PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: return result
        default: break
        }
        defer { PQclear(result) }
        guard let state = PQresultErrorField(result, Int32(UInt8(ascii: "C"))) else {
            throw .unreachable(Self.message(connection))
        }
        var text = Self.line(PQresultErrorField(result, Int32(UInt8(ascii: "M"))))
        let detail = Self.line(PQresultErrorField(result, Int32(UInt8(ascii: "D"))))
        if !detail.isEmpty { text += " (\(detail))" }
        throw .refused(state: String(cString: state), message: text)
    }

    private static func failure(of connection: OpaquePointer) -> PostgreSQLError {
        .unreachable(message(connection))
    }

    private static func message(_ connection: OpaquePointer) -> String { line(PQerrorMessage(connection)) }

    private static func line(_ text: UnsafePointer<CChar>?) -> String {
        guard let text else { return "" }
        // Hints stand on lines of their own, behind a tab.
        return String(cString: text).split(separator: "\n").map { String($0.drop(while: \.isWhitespace)) }
            .joined(separator: "; ")
    }
}

/// Rows in the binary form.
public struct PostgreSQLRows: ~Copyable {
    private let result: OpaquePointer

    init(_ result: OpaquePointer) { self.result = result }

    deinit { PQclear(result) }

    /// How many rows there are.
    public var count: Int { Int(PQntuples(result)) }

    /// How many rows a statement changed.
    public var changed: Int { PQcmdTuples(result).flatMap { Int(String(cString: $0)) } ?? 0 }

    /// Whether there is no value.
    public func isNull(_ row: Int, _ column: Int) -> Bool {
        PQgetisnull(result, Int32(row), Int32(column)) == 1
    }

    /// Lends the bytes of a value: those of `bytea` and `text` as they are, numbers with the greatest first.
    public func withBytes<Result>(
        _ row: Int, _ column: Int, _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
        let count = Int(PQgetlength(result, Int32(row), Int32(column)))
        let start = PQgetvalue(result, Int32(row), Int32(column))
        return body(UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count))
    }

    /// A value's bytes.
    public func bytes(_ row: Int, _ column: Int) -> [UInt8] { withBytes(row, column) { Array($0) } }

    /// A `text`.
    public func text(_ row: Int, _ column: Int) -> String {
        withBytes(row, column) { String(decoding: $0, as: UTF8.self) }
    }

    /// A `bigint`; a value of another length is an error of the server's or of the schema's.
    public func number(_ row: Int, _ column: Int) throws(PostgreSQLError) -> Int64 {
        let number = withBytes(row, column) { bytes in
            bytes.count == 8
                ? Int64(bigEndian: bytes.loadUnaligned(as: Int64.self)) : nil
        }
        guard let number else { throw .unexpected("column \(column) is no bigint") }
        return number
    }
}
