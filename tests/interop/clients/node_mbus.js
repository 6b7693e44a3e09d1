// Reads meters with node-mbus: `node node_mbus.js tcp HOST PORT ADDRESS...`, `... serial DEVICE BAUD ADDRESS...`.
// One line of JSON for each: {"address", "records"} or {"address", "error"}. `scan` as only address: all secondary ones.
'use strict';
const MbusMaster = require('node-mbus');

const [kind, where, number, ...addresses] = process.argv.slice(2);
const options = kind === 'tcp'
    ? {host: where, port: Number(number), timeout: 250, autoConnect: true}
    : {serialPort: where, serialBaudRate: Number(number), autoConnect: true};

async function main() {
    const master = new MbusMaster(options);
    if (addresses[0] === 'scan') {
        console.log(JSON.stringify({found: await master.scanSecondaryAsync()}));
        return master.closeAsync();
    }
    for (const address of addresses) {
        try {
            const data = await master.getDataAsync(address);
            console.log(JSON.stringify({address, meter: data.SlaveInformation, records: data.DataRecord || []}));
        } catch (error) {
            console.log(JSON.stringify({address, error: String(error)}));
        }
    }
    await master.closeAsync();
}

main().catch((error) => {
    console.error(String(error));
    process.exitCode = 1;
});
