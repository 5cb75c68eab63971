import Records
import Text

/// What all hosts know of a tree whose processes run at several of them.
struct AcrossOrder: Equatable {
    /// A host, in the order of its number; the source is the first one, and the home of all pages.
    struct Host: Equatable {
        var name: String
        var address: String
        var port: UInt16
        /// Which processes run there, by their own numbers.
        var pids: [Int32]
    }

    /// Where a process has a region.
    struct Mapping: Equatable {
        var pid: Int32
        var range: Range<UInt64>
        var offset: UInt64
    }

    /// Memory that processes of several hosts share.
    struct Region: Equatable {
        var bytes: UInt64
        var mappings: [Mapping]
        /// For people.
        var name: String
    }

    var name: String
    var hosts: [Host]
    var regions: [Region]
    /// Nanoseconds for which a page that has come stays.
    var window: UInt64

    /// More than so many hosts no directory of pages has room for.
    static let mostHosts = 64
    private static let mostRegions = 4096
    /// The largest region, whose pages have numbers of 32 bits.
    static let mostBytes = UInt64(1) << 40
    private static let page = UInt64(4096)

    var value: JSONValue {
        .object([
            .init("name", .string(name)), .init("window", .integer(Int128(window))),
            .init(
                "hosts",
                .array(
                    hosts.map { host in
                        .object([
                            .init("name", .string(host.name)), .init("address", .string(host.address)),
                            .init("port", .integer(Int128(host.port))),
                            .init("pids", .array(host.pids.map { .integer(Int128($0)) })),
                        ])
                    })),
            .init(
                "regions",
                .array(
                    regions.map { region in
                        .object([
                            .init("bytes", .integer(Int128(region.bytes))),
                            .init("name", .string(region.name)),
                            .init(
                                "mappings",
                                .array(
                                    region.mappings.map { mapping in
                                        .array(
                                            [
                                                Int128(mapping.pid), Int128(mapping.range.lowerBound),
                                                Int128(mapping.range.upperBound), Int128(mapping.offset),
                                            ].map { .integer($0) })
                                    })),
                        ])
                    })),
        ])
    }

    init(name: String, hosts: [Host], regions: [Region], window: UInt64) {
        (self.name, self.hosts, self.regions, self.window) = (name, hosts, regions, window)
    }

    /// Reads one that another host has sent: `nil` where anything of it cannot be.
    init?(_ value: JSONValue) {
        guard let name = value["name"]?.string, Self.isName(name),
            let window = value["window"]?.integer.flatMap({ UInt64(exactly: $0) }), window <= 1_000_000_000,
            let hosts = value["hosts"]?.array, (2...Self.mostHosts).contains(hosts.count),
            let regions = value["regions"]?.array, (1...Self.mostRegions).contains(regions.count)
        else { return nil }
        self.name = name
        self.window = window
        self.hosts = hosts.compactMap(Self.host)
        self.regions = regions.compactMap(Self.region)
        let pids = self.hosts.flatMap(\.pids)
        guard self.hosts.count == hosts.count, self.regions.count == regions.count,
            Set(pids).count == pids.count
        else { return nil }
    }

    /// What may be part of a path.
    static func isName(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy {
                (48...57).contains($0) || (97...122).contains($0 | 32) || $0 == UInt8(ascii: "-")
            }
    }

    private static func host(_ value: JSONValue) -> Host? {
        guard let name = value["name"]?.string, let address = value["address"]?.string,
            let port = value["port"]?.integer.flatMap({ UInt16(exactly: $0) }), port > 0,
            let pids = value["pids"]?.array
        else { return nil }
        let numbers = pids.compactMap { $0.integer.flatMap { Int32(exactly: $0) } }
        guard numbers.count == pids.count, numbers.allSatisfy({ $0 > 1 }) else { return nil }
        return Host(name: name, address: address, port: port, pids: numbers)
    }

    private static func region(_ value: JSONValue) -> Region? {
        guard let bytes = value["bytes"]?.integer.flatMap({ UInt64(exactly: $0) }), bytes > 0,
            bytes <= mostBytes, bytes % page == 0, let name = value["name"]?.string,
            let mappings = value["mappings"]?.array
        else { return nil }
        let found = mappings.compactMap { value -> Mapping? in
            let numbers = (value.array ?? []).compactMap { $0.integer.flatMap { UInt64(exactly: $0) } }
            guard numbers.count == 4, let pid = Int32(exactly: numbers[0]), numbers[1] < numbers[2],
                numbers[1] % page == 0, numbers[2] % page == 0, numbers[3] % page == 0,
                numbers[2] - numbers[1] <= bytes, numbers[3] <= bytes - (numbers[2] - numbers[1])
            else { return nil }
            return Mapping(pid: pid, range: numbers[1]..<numbers[2], offset: numbers[3])
        }
        return found.count == mappings.count ? Region(bytes: bytes, mappings: found, name: name) : nil
    }
}
