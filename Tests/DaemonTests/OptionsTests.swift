import Daemon
import Testing

@Suite struct OptionsTests {
    private func failure(_ arguments: [String]) -> String? {
        do throws(StartError) {
            _ = try Options(arguments)
            return nil
        } catch { return error.description }
    }

    @Test func nothingGiven() throws {
        let options = try Options([])
        #expect(options.action == .run)
        #expect(options.stateFolder == "/var/lib/retinue/daemon")
        #expect(!options.namesStateFolder)
        #expect(options.configuration == nil)
        #expect(options.socket == nil)
        #expect(options.record == nil)
        #expect(options.netns == nil)
        #expect(options.cgroup == nil)
        #expect(options.hostID == nil)
        #expect(options.hostName == nil)
    }

    @Test(arguments: [
        ["--netns", "web", "--cgroup", "/c", "--host-id", "7", "--host-name", "w1"],
        ["--host-name=w1", "--host-id=7", "--cgroup=/c", "--netns=web"],
    ])
    func whatIsWatched(arguments: [String]) throws {
        let options = try Options(arguments)
        #expect(options.netns == "web")
        #expect(options.cgroup == "/c")
        #expect(options.hostID == "7")
        #expect(options.hostName == "w1")
    }

    @Test(arguments: [
        ["--state-dir", "/s", "--config", "/c", "--socket", "/k", "--record", "/r"],
        ["--state-dir=/s", "--config=/c", "--socket=/k", "--record=/r"],
        ["--record", "/r", "--socket=/k", "--config", "/c", "--state-dir=/s"],
        // The last of several counts.
        [
            "--state-dir=/x", "--config=/x", "--socket=/x", "--record=/x", "--state-dir", "/s", "--config",
            "/c",
            "--socket", "/k", "--record", "/r",
        ],
    ])
    func values(arguments: [String]) throws {
        let options = try Options(arguments)
        #expect(options.action == .run)
        #expect(options.stateFolder == "/s")
        #expect(options.namesStateFolder)
        #expect(options.configuration == "/c")
        #expect(options.socket == "/k")
        #expect(options.record == "/r")
    }

    @Test func valuesMayLookLikeAnything() throws {
        #expect(try Options(["--state-dir=a=b"]).stateFolder == "a=b")
        #expect(try Options(["--state-dir", "--config"]).stateFolder == "--config")
        #expect(try Options(["--config", "a b"]).configuration == "a b")
    }

    @Test func actions() throws {
        #expect(try Options(["--help"]).action == .help)
        #expect(try Options(["-h"]).action == .help)
        #expect(try Options(["--version"]).action == .version)
        #expect(try Options(["--prepare"]).action == .prepare)
        #expect(try Options(["--clear"]).action == .clear)
        #expect(try Options(["--replay", "/t"]).action == .replay("/t"))
        #expect(try Options(["--replay=/t"]).action == .replay("/t"))
    }

    @Test(arguments: [
        "--state-dir", "--config", "--socket", "--record", "--replay", "--netns", "--cgroup", "--host-id",
        "--host-name",
    ])
    func missingValues(option: String) {
        #expect(failure([option]) == "option '\(option)' needs a value")
        #expect(failure(["--state-dir", "/s", option]) == "option '\(option)' needs a value")
    }

    @Test(arguments: [
        "--state-dir", "--config", "--socket", "--record", "--replay", "--netns", "--cgroup", "--host-id",
        "--host-name",
    ])
    func emptyValues(option: String) throws {
        let text = try #require(failure([option, ""]))
        #expect(text.hasPrefix("option '\(option)' needs a"))
        #expect(failure([option + "="]) == text)
    }

    @Test func unknownOptions() {
        #expect(failure(["--stat-dir", "/s"]) == "unknown option '--stat-dir'; see 'retinued --help'")
        #expect(failure(["--stat-dir=/s"]) == "unknown option '--stat-dir'; see 'retinued --help'")
        #expect(failure(["-x"]) == "unknown option '-x'; see 'retinued --help'")
        #expect(failure(["--"]) == "unknown option '--'; see 'retinued --help'")
        #expect(failure(["run"]) == "unexpected argument 'run'; see 'retinued --help'")
        #expect(failure([""]) == "unexpected argument ''; see 'retinued --help'")
        #expect(failure(["a=b"]) == "unexpected argument 'a=b'; see 'retinued --help'")
    }

    @Test(arguments: ["--help", "--version"])
    func optionsWithoutAValue(option: String) {
        #expect(failure(["\(option)=yes"]) == "option '\(option)' takes no value")
        #expect(failure(["\(option)="]) == "option '\(option)' takes no value")
    }

    @Test func helpNamesEveryOptionInEightyColumns() {
        for option in [
            "--state-dir", "--config", "--socket", "--record", "--replay", "--netns", "--cgroup", "--host-id",
            "--host-name", "--help", "--version",
        ] {
            #expect(Options.usage.contains(option))
        }
        for line in Options.usage.split(separator: "\n") { #expect(line.count <= 80) }
    }
}
