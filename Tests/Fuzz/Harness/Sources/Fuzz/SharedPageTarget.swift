import SharedPages

/// Messages of pages as another host sends them, to the home of a region and to a host that has none.
enum SharedPageTarget {
    /// Memory that has whatever the protocol says, and notes where that cannot be.
    private struct Memory: PageMemory {
        struct Never: Error {}
        var present: Set<UInt32>
        var writable: Set<UInt32>

        mutating func share(_ page: UInt32) throws(Never) -> [UInt8] {
            require(present.contains(page), "a page is shared that is not there")
            writable.remove(page)
            return []
        }
        mutating func yield(_ page: UInt32) throws(Never) -> [UInt8] {
            require(present.remove(page) != nil, "a page is given up that is not there")
            writable.remove(page)
            return []
        }
        mutating func drop(_ page: UInt32) throws(Never) {
            require(!writable.contains(page), "a page is dropped that may be written")
            require(present.remove(page) != nil, "a page is dropped that is not there")
        }
        mutating func install(_ page: UInt32, _ contents: [UInt8], isWritable: Bool) throws(Never) {
            require(contents.count == PageMessage.pageBytes, "contents that are no page")
            require(present.insert(page).inserted, "a page comes that is there")
            if isWritable { writable.insert(page) }
        }
        mutating func permit(_ page: UInt32) throws(Never) {
            require(present.contains(page), "a page may be written that is not there")
            writable.insert(page)
        }
        mutating func retry(_ page: UInt32, isWritable: Bool) throws(Never) {
            require(present.contains(page), "a page may be used that is not there")
        }
    }

    private static let pages = 4

    static let target = FuzzTarget(name: "pages") { bytes in
        if let message = try? PageMessage(bytes) {
            require(message.bytes == bytes, "a message that is sent as another one")
        }
        // One byte says who sends or faults, then come the bytes of a message; a page for those that have contents.
        let all = Set(0..<UInt32(pages))
        for host in [UInt8(0), 1] {
            var node = PageNode(region: 0, pages: pages, host: host, home: 0)
            var memory = Memory(present: host == 0 ? all : [], writable: host == 0 ? all : [])
            var rest = bytes[...]
            while rest.count > PageMessage.headBytes {
                let who = rest.removeFirst()
                var one = Array(rest.prefix(PageMessage.headBytes))
                rest = rest.dropFirst(PageMessage.headBytes)
                if one[1] & 2 != 0 { one += [UInt8](repeating: who, count: PageMessage.pageBytes) }
                var out: [(to: UInt8, PageMessage)] = []
                if who & 0x80 != 0 {
                    _ = try? node.fault(UInt32(one[7]), isWrite: who & 1 != 0, &memory, &out)
                    _ = try? node.settle(UInt32(one[7]), &memory, &out)
                } else if let message = try? PageMessage(one) {
                    _ = try? node.receive(message, from: who & 0x3f, &memory, &out)
                }
                require(out.allSatisfy { $0.to < 64 && $0.to != host }, "a message to nobody")
                for page in 0..<UInt32(pages) {
                    require(
                        (node.state(page) != .invalid) == memory.present.contains(page),
                        "a page that is not in its state")
                    require(
                        node.state(page) == .writable || !memory.writable.contains(page),
                        "a page that may be written and is not to")
                }
            }
        }
    }
}
