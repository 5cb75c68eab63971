import Control
import Glibc
import TracepointRing

/// What root does for a daemon of another user: `ExecStartPre=` and `ExecStopPost=` of its unit.
enum Preparation {
    /// Defines the probes that the daemon uses, where the kernel has them and the configuration wants them, and hands over
    /// what an earlier version kept.
    static func prepare(_ options: Options) throws(StartError) {
        try requireRoot("--prepare")
        // What is wrong with the configuration the daemon says itself.
        let isWanted = (try? Configuration.read(options.configuration))?.tracepoints ?? false
        do throws(TracepointError) {
            if isWanted { try ConnectProbes.prepare() }
        } catch {
            // Not a reason to observe nothing: the daemon says what it does without. Many a kernel has none.
            if error.code != ENOENT { Message.print("no probes: \(error)") }
        }
        try takeOver(options)
    }

    /// Takes away what `prepare` has defined.
    static func clear() throws(StartError) {
        try requireRoot("--clear")
        // Where there are none, none are left.
        try? ConnectProbes.clear()
    }

    /// Goes on with what an earlier version kept, where no other folder is named.
    static func takeOver(_ options: Options) throws(StartError) {
        guard options.stateFolder == ControlPath.stateFolder else { return }
        let earlier = EarlierState(ControlPath.earlierStateFolder)
        let count = try earlier.move(to: ControlPath.stateFolder)
        if count > 0 {
            Message.print(
                "\(count) files of \(ControlPath.earlierStateFolder) are in \(ControlPath.stateFolder) now")
        }
    }

    private static func requireRoot(_ option: String) throws(StartError) {
        guard geteuid() == 0 else {
            throw StartError("\(option) is for root, before or after a daemon of another user")
        }
    }
}
