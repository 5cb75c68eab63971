import Daemon
import TestSupport
import Testing

@Suite struct ConfigurationTests {
    private func parse(_ text: String) throws(StartError) -> Configuration {
        try Configuration(parsing: text, from: "/c")
    }

    private func failure(_ text: String) -> String? {
        do throws(StartError) {
            _ = try parse(text)
            return nil
        } catch { return error.description }
    }

    private static let all = """
        dump.keep = 7
        store.interval = 500ms
        batch.interval = 25ms
        memory.limit = 512MiB
        retention = 90d
        fanotify.queue = 16384
        tracepoints = off
        """

    private static var expected: Configuration {
        var configuration = Configuration()
        configuration.dumpsKept = 7
        configuration.storeInterval = 500_000_000
        configuration.batchInterval = 25_000_000
        configuration.memoryLimit = 512 << 20
        configuration.retention = 7_776_000_000_000_000
        configuration.queue = .events(16_384)
        configuration.tracepoints = false
        return configuration
    }

    @Test func withoutAFile() throws {
        let configuration = Configuration()
        #expect(configuration.dumpsKept == 20)
        #expect(configuration.storeInterval == 3_000_000_000)
        #expect(configuration.batchInterval == 10_000_000)
        #expect(configuration.memoryLimit == 256 << 20)
        #expect(configuration.retention == nil)
        #expect(configuration.queue == .derived)
        #expect(configuration.queueLimit == 131_072)
        #expect(configuration.tracepoints)
        #expect(configuration.processes)
        for text in ["", "\n", "\n\n  \n", "# nothing\n", "\t# nothing", "\r\n\r\n"] {
            #expect(try parse(text) == configuration)
        }
    }

    @Test func everyKey() throws {
        #expect(try parse(Self.all) == Self.expected)
        #expect(try parse(Self.all + "\n") == Self.expected)
    }

    @Test func linesOfAnotherSystem() throws {
        let text = Self.all.split(separator: "\n").joined(separator: "\r\n")
        #expect(try parse(text) == Self.expected)
        #expect(try parse("# comment\r\n" + text + "\r\n") == Self.expected)
        // A line number counts lines, however they end.
        #expect(failure("# comment\r\n\r\nx = 1\r\n") == "/c, line 3: unknown key 'x'")
    }

    @Test func blanksAndComments() throws {
        let lines = Self.all.split(separator: "\n")
        #expect(try parse(lines.map { "  \t\($0)\t # why" }.joined(separator: "\n#\n")) == Self.expected)
        let tight = Self.all.filter { $0 != " " }
        #expect(try parse(tight) == Self.expected)
        #expect(try parse("# dump.keep = 7\ndump.keep = 8 # dump.keep = 9").dumpsKept == 8)
        // Whatever stands behind the mark.
        #expect(try parse("#\u{301} accents\ndump.keep = 8").dumpsKept == 8)
    }

    @Test(arguments: [
        ("dump.keep", "1"), ("dump.keep", "100000"), ("store.interval", "100ms"), ("store.interval", "5s"),
        ("store.interval", "100000us"), ("store.interval", "1 s"), ("batch.interval", "1ms"),
        ("batch.interval", "1s"), ("batch.interval", "1000us"), ("fanotify.queue", "unlimited"),
        ("fanotify.queue", "limited"), ("fanotify.queue", "16384"), ("memory.limit", "1GiB"),
        ("tracepoints", "on"), ("tracepoints", "off"), ("processes", "yes"), ("processes", "no"),
        ("retention", "off"), ("retention", "1h"),
        ("retention", "90d"), ("retention", "10000d"),
    ])
    func accepted(key: String, value: String) {
        #expect(failure("\(key) = \(value)") == nil)
    }

    @Test(arguments: [
        ("dump.keep", "0", "a number from 1 to 100000"), ("dump.keep", "100001", "a number from 1 to 100000"),
        ("dump.keep", "-1", "a number from 1 to 100000"), ("dump.keep", "ten", "a number from 1 to 100000"),
        ("dump.keep", "99999999999999999999", "a number from 1 to 100000"),
        ("dump.keep", "", "a number from 1 to 100000"),
        ("store.interval", "99ms", "a time from 100ms to 5s"),
        ("store.interval", "5001ms", "a time from 100ms to 5s"),
        ("store.interval", "6s", "a time from 100ms to 5s"),
        ("store.interval", "3", "a time from 100ms to 5s"),
        ("store.interval", "3m", "a time from 100ms to 5s"),
        ("store.interval", "s", "a time from 100ms to 5s"),
        ("store.interval", "", "a time from 100ms to 5s"),
        ("store.interval", "-3s", "a time from 100ms to 5s"),
        ("store.interval", "1.5s", "a time from 100ms to 5s"),
        ("store.interval", "99999999999999999999s", "a time from 100ms to 5s"),
        ("store.interval", "999999999999s", "a time from 100ms to 5s"),
        ("store.interval", "٣s", "a time from 100ms to 5s"),
        ("batch.interval", "999us", "a time from 1ms to 1s"),
        ("batch.interval", "1001ms", "a time from 1ms to 1s"),
        ("batch.interval", "10", "a time from 1ms to 1s"),
        ("fanotify.queue", "1023", "'limited', 'unlimited' or a number of events from 1024"),
        ("memory.limit", "63MiB", "a size of at least 64MiB"),
        ("memory.limit", "256", "a size of at least 64MiB"),
        ("memory.limit", "-1GiB", "a size of at least 64MiB"),
        ("fanotify.queue", "Unlimited", "'limited', 'unlimited' or a number of events from 1024"),
        ("fanotify.queue", "", "'limited', 'unlimited' or a number of events from 1024"),
        ("retention", "59m", "'off' or a time from 1h to 10000d"),
        ("retention", "0d", "'off' or a time from 1h to 10000d"),
        ("retention", "90", "'off' or a time from 1h to 10000d"),
        ("retention", "10001d", "'off' or a time from 1h to 10000d"),
        ("retention", "18446744073709551615d", "'off' or a time from 1h to 10000d"),
        ("retention", "-1d", "'off' or a time from 1h to 10000d"),
        ("processes", "on", "'yes' or 'no'"), ("tracepoints", "yes", "'on' or 'off'"),
        ("tracepoints", "on off", "'on' or 'off'"),
    ])
    func refused(key: String, value: String, expected: String) {
        #expect(
            failure("\n\(key) = \(value)") == "/c, line 2: key '\(key)' needs \(expected), not '\(value)'")
    }

    @Test func otherErrorsNameTheirLine() {
        #expect(failure("x = 1") == "/c, line 1: unknown key 'x'")
        #expect(failure("= 1") == "/c, line 1: unknown key ''")
        #expect(failure("Dump.keep = 1") == "/c, line 1: unknown key 'Dump.keep'")
        #expect(
            failure("dump.keep 7 # x = y") == "/c, line 1: 'dump.keep 7' is not of the form 'key = value'")
        #expect(
            failure("\n# c\ndump.keep = 1\ndump.keep = 1\n") == "/c, line 4: key 'dump.keep' is set twice")
        #expect(failure("tracepoints = on = off")?.contains("not 'on = off'") == true)
    }

    @Test func files() throws {
        try withTemporaryFolder { folder in
            func failure(_ path: String) -> String? {
                do throws(StartError) {
                    _ = try Configuration.read(path)
                    return nil
                } catch { return error.description }
            }
            let path = folder + "/retinued.conf"
            #expect(failure(path) == "cannot read the configuration \(path): No such file or directory")
            #expect(failure(folder) == "cannot read the configuration \(folder): Is a directory")
            try write(Self.all, to: path)
            #expect(try Configuration.read(path) == Self.expected)
            try write("a\nb", to: path)
            #expect(failure(path) == "\(path), line 1: 'a' is not of the form 'key = value'")
        }
    }
}
