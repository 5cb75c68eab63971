import Records

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
