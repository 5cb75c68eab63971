import Records

extension WideRow {
    /// A field that means nothing in its column.
    struct FieldError: Error {
        var column: String
        var value: String
    }

    /// Adds the row to a graph.
    func add(to builder: inout GraphBuilder, _ source: UInt16) throws(FieldError) {
        if count == 4 {
            addListed(0, 2, &builder)
            return
        }
        // What a group of a list of four columns has, written in nine.
        if field(2).isEmpty {
            builder.hasEntries = true
            addListed(0, 4, &builder)
            return
        }
        guard let relation = Relation(word: text(2)) else { throw error(2) }
        let host = builder.listedHost(text(0))
        let program = builder.intern(.program(ProgramName(executable: Array(field(1)))), on: host)
        var detail = EdgeDetail()
        detail.source = source
        detail.count = try number(6)
        detail.first = try time(7)
        detail.last = try time(8)
        // Either may be left out.
        guard field(8).isEmpty || detail.first <= detail.last else { throw error(8) }
        let path = Array(field(5))
        switch relation {
        case .file:
            guard let access = Access(letters: text(3)) else { throw error(3) }
            let file = builder.intern(.file(path), on: builder.listedHost(text(4)))
            builder.edges.append(program, file, EdgeMark(.file, access: access), detail)
        case .spawn:
            let child = peer(path, &builder)
            builder.edges.append(program, child, EdgeMark(.spawn), detail)
        case .connect, .accept, .listen:
            try addSocket(relation, program, host, path, detail, &builder)
        case .ipc:
            try addChannel(program, host, path, detail, &builder)
        }
    }

    private func addSocket(
        _ relation: Relation, _ program: UInt32, _ host: HostID, _ path: [UInt8], _ detail: EdgeDetail,
        _ builder: inout GraphBuilder
    ) throws(FieldError) {
        guard let place = SocketText(path) else {
            // A program: the other end is known.
            guard relation != .listen else { throw error(5) }
            let other = peer(path, &builder)
            builder.edges.append(program, other, EdgeMark(Link(relation)), detail)
            return
        }
        let anywhere = NetworkAddress(high: 0, low: 0)
        var end = OpenSockets.End(
            program: program, host: host, transport: place.transport,
            local: Endpoint(place.address ?? anywhere, port: place.port),
            remote: Endpoint(anywhere, port: 0), evidence: nil, detail: detail)
        if relation != .listen {
            guard let far = NetworkAddress(field(4)) else { throw error(4) }
            end.remote = Endpoint(far, port: relation == .connect ? place.port : 0)
        }
        builder.add(end, Link(relation), peer: nil)
    }

    private func addChannel(
        _ program: UInt32, _ host: HostID, _ path: [UInt8], _ detail: EdgeDetail,
        _ builder: inout GraphBuilder
    ) throws(FieldError) {
        let word = String(decoding: path.prefix { $0 != UInt8(ascii: ":") }, as: UTF8.self)
        guard let mechanism = Mechanism(word: word), path.count > word.utf8.count else {
            let other = peer(path, &builder)
            builder.edges.append(program, other, EdgeMark(.ipc), detail)
            return
        }
        let name = Array(path[(word.utf8.count + 1)...])
        builder.add(mechanism, name, of: program, peer: nil, on: host, nil, detail)
    }

    /// Two that are related in a way that is not told.
    private func addListed(_ first: Int, _ second: Int, _ builder: inout GraphBuilder) {
        let from = entry(first, &builder)
        let to = entry(second, &builder)
        builder.edges.append(from, to, EdgeMark(.listed))
    }

    private func entry(_ column: Int, _ builder: inout GraphBuilder) -> UInt32 {
        let host = builder.listedHost(text(column))
        return builder.intern(.entry(Array(field(column + 1))), on: host)
    }

    private func peer(_ path: [UInt8], _ builder: inout GraphBuilder) -> UInt32 {
        builder.intern(.program(ProgramName(executable: path)), on: builder.listedHost(text(4)))
    }

    private func text(_ number: Int) -> String { String(decoding: field(number), as: UTF8.self) }

    private func error(_ number: Int) -> FieldError {
        FieldError(column: Self.columns[number], value: text(number))
    }

    private func number(_ column: Int) throws(FieldError) -> UInt64 {
        if field(column).isEmpty { return 0 }
        guard let value = UInt64(text(column)) else { throw error(column) }
        return value
    }

    private func time(_ column: Int) throws(FieldError) -> UInt64 {
        if field(column).isEmpty { return 0 }
        guard let value = Timestamp.parse(field(column)) else { throw error(column) }
        return value
    }
}

/// An endpoint as a list has it: `tcp:5432`, `tcp:10.0.0.9:5432`, `tcp:[::]:5432`.
struct SocketText {
    var transport: Transport
    /// `nil` if only the port is told.
    var address: NetworkAddress?
    var port: UInt16

    init?(_ text: [UInt8]) {
        guard let colon = text.firstIndex(of: UInt8(ascii: ":")),
            let transport = Transport(word: String(decoding: text[..<colon], as: UTF8.self)),
            let last = text.lastIndex(of: UInt8(ascii: ":")),
            let port = UInt16(String(decoding: text[(last + 1)...], as: UTF8.self))
        else { return nil }
        self.transport = transport
        self.port = port
        if last == colon { return }
        var middle = text[(colon + 1)..<last]
        if middle.first == UInt8(ascii: "["), middle.last == UInt8(ascii: "]") {
            middle = middle.dropFirst().dropLast()
        }
        guard let address = NetworkAddress(middle) else { return nil }
        self.address = address
    }
}
