# A second participant, with LiveKit's own native client: joins, says whom it meets, leaves when its input ends.

import asyncio
import sys

from livekit import rtc


async def main(url, token):
    room = rtc.Room()
    await asyncio.wait_for(room.connect(url, token), 60)
    print(*sorted(one.identity for one in room.remote_participants.values()), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await room.disconnect()


asyncio.run(main(*sys.argv[1:]))
