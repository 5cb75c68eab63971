import Control

/// The daemon's command line.
public struct Options: Sendable {
    /// What the daemon is asked to do.
    public enum Action: Sendable, Equatable {
        case run, help, version
        /// Read a recorded stream and print its dump.
        case replay(String)
        /// As root, what a daemon of another user needs before it starts, and what is to be taken away after it has ended.
        case prepare, clear
    }

    /// What is printed of a recorded stream.
    public enum ReplayFormat: String, Sendable, CaseIterable {
        /// The dump that follows from it.
        case dump
        /// The calls that it is made of, as the published method records them.
        case calls
    }

    /// What to do.
    public var action = Action.run
    /// Where records and dumps are kept.
    public var stateFolder = ControlPath.stateFolder
    /// What is printed of a recording.
    public var replayFormat = ReplayFormat.dump
    /// Whether the folder was named.
    public var namesStateFolder = false
    /// The configuration file; `nil` for the default one, which need not exist.
    public var configuration: String?
    /// The control socket, if it was named.
    public var socket: String?
    /// Where to record the raw event stream.
    public var record: String?
    /// The network namespace that is watched as a host of its own: a name, or a path with a slash.
    public var netns: String?
    /// The control group that records are kept of.
    public var cgroup: String?
    /// The host's id, in place of the one that was found out.
    public var hostID: String?
    /// The host's name, in place of the one that was found out.
    public var hostName: String?

    /// What `--help` prints.
    public static let usage = """
        Usage: retinued [OPTION]...
        Watch this host from the kernel's side and keep its dependency records.

          --state-dir DIR   keep records and dumps in DIR (default
                            /var/lib/retinue/daemon)
          --config FILE     read FILE (default /etc/retinue/retinued.conf, if it exists)
          --socket PATH     listen for `retinue` on PATH (default
                            /run/retinue/retinued.sock, if it is free);
                            DIR/retinued.sock is always there as well
          --netns NAME      watch the sockets of this network namespace alone, as a host
                            of its own: its id is MACHINE-ID/NAME, its name NAME;
                            NAME is one under /run/netns, or a path with a slash
          --cgroup PATH     keep records of the programs in this control group and
                            below it alone (app.slice/web, /sys/fs/cgroup/...)
          --host-id ID      be the host ID in every dump
          --host-name NAME  be named NAME in every dump
          --record FILE     record the raw event stream to FILE
          --replay FILE     read a recorded stream, print the dump that follows from it,
                            and exit; needs no privileges
          --format FORMAT   with --replay: `dump`, or `calls` for what processes did as
                            the records that `retinue list` reads (docs/seed-form.md)
          --prepare         as root, before a daemon of another user: define its probes,
                            hand over what an earlier version kept, and exit
          --clear           as root, after it: take the probes away, and exit
          --help            print this text and exit
          --version         print the version and exit

        Signals: SIGUSR1 dumps to DIR/dumps/, SIGHUP reloads the configuration,
        SIGTERM and SIGINT store everything and exit.

        Examples:
          retinued
          retinued --state-dir /tmp/retinue --record /tmp/trace
          retinued --replay /tmp/trace | jq .
          retinued --replay /tmp/trace --format calls > calls.csv
          retinued --netns web --cgroup web.slice --state-dir /tmp/web

        """

    /// Reads the arguments that follow the program's name.
    public init(_ arguments: [String]) throws(StartError) {
        var index = 0
        var format: String?
        func value(_ option: String, _ inline: Substring?) throws(StartError) -> String {
            if inline == nil { index += 1 }
            let value = inline.map(String.init) ?? (index < arguments.count ? arguments[index] : "")
            // An empty one comes from a variable that is not set: no default stands for it.
            if value.isEmpty { throw StartError("option '\(option)' needs a value") }
            return value
        }
        func noValue(_ option: String, _ inline: Substring?) throws(StartError) {
            if inline != nil { throw StartError("option '\(option)' takes no value") }
        }
        while index < arguments.count {
            let argument = arguments[index]
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let option = argument.hasPrefix("--") ? String(parts[0]) : argument
            let inline = argument.hasPrefix("--") && parts.count == 2 ? parts[1] : nil
            switch option {
            case "--state-dir":
                stateFolder = try value(option, inline)
                namesStateFolder = true
            case "--config": configuration = try value(option, inline)
            case "--socket": socket = try value(option, inline)
            case "--record": record = try value(option, inline)
            case "--netns": netns = try value(option, inline)
            case "--cgroup": cgroup = try value(option, inline)
            case "--host-id": hostID = try value(option, inline)
            case "--host-name": hostName = try value(option, inline)
            case "--replay": action = .replay(try value(option, inline))
            case "--format": format = try value(option, inline)
            case "--prepare":
                try noValue(option, inline)
                action = .prepare
            case "--clear":
                try noValue(option, inline)
                action = .clear
            case "--help", "-h":
                try noValue(option, inline)
                action = .help
            case "--version":
                try noValue(option, inline)
                action = .version
            default:
                throw StartError(
                    option.hasPrefix("-")
                        ? "unknown option '\(option)'; see 'retinued --help'"
                        : "unexpected argument '\(option)'; see 'retinued --help'")
            }
            index += 1
        }
        guard let format else { return }
        guard case .replay = action else { throw StartError("'--format' goes with '--replay'") }
        guard let known = ReplayFormat(rawValue: format) else {
            throw StartError(
                "'--format' is \(ReplayFormat.allCases.map(\.rawValue).joined(separator: " or "))")
        }
        replayFormat = known
    }
}
