import Observation
import SeedForm

extension SeedRecord {
    /// A call in the form of the published method.
    init(_ call: CallLog.Call, time: UInt64) {
        let event: Event =
            switch call {
            case .open(let process, let path, let isWritten):
                .open(pid: process, path: path, access: isWritten ? .readWrite : .read)
            case .fork(let parent, let child): .fork(parent: parent, child: child)
            case .exec(let process, let path): .exec(pid: process, path: path)
            case .accept(let process, let local, let remote):
                .accept(pid: process, server: local, client: remote)
            case .connect(let process, let local, let remote):
                .connect(pid: process, client: local, server: remote)
            }
        self.init(event, time: time)
    }
}
